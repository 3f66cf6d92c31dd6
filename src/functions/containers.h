#pragma once

// The containers of a node's functions at a Docker Engine, for those whose engine is `docker`.
//
// Whatever an earlier node on this store left there is removed before the first one is made. A
// function that is a zip runs on an image of the native base, made once a node start, into which
// the host's /usr, its code and its runtime are bound. Threads: the loop. Lifetime: outlives all
// instances. Failure: kUnavailable without an Engine at the socket, naming it; kNotFound for an
// image that it does not have; every call may be tried again.
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/feature.h"
#include "base/turns.h"
#include "docker/container.h"
#include "docker/engine.h"
#include "functions/model.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Containers {
 public:
  // `store` tells this node's containers from those of others; `starter` is where the program that
  // they begin with is written.
  Containers(boost::asio::any_io_executor executor, Pool& pool, std::string socket,
             std::string store, Directories directories, std::string starter);

  const std::string& socket() const { return engine_.socket(); }
  // At the node's start, if there is an Engine: removes what an earlier node left.
  boost::asio::awaitable<void> Start(Log log);

  // Finds the function's image, and says in it what it is and how it starts.
  boost::asio::awaitable<Result<>> TakeImage(Function& function);
  // The container of one instance, whose directory is `home`.
  boost::asio::awaitable<Result<std::unique_ptr<sandbox::Sandbox>>> Build(Function function,
                                                                          InstanceId instance,
                                                                          sandbox::Program program,
                                                                          std::string home);
  // For `godwit doctor`: whether an Engine answers, and how it puts functions away.
  boost::asio::awaitable<Feature> Probe();

 private:
  boost::asio::awaitable<Result<>> Prepare();
  boost::asio::awaitable<Result<>> MakeBase();
  std::string BaseImage() const { return "godwit-base:" + store_; }

  boost::asio::any_io_executor executor_;
  Pool& pool_;
  docker::Engine engine_;
  const std::string store_;
  const Directories directories_;
  const std::string starter_;
  Turns turns_;
  bool prepared_ = false;
  bool has_base_ = false;
};

}  // namespace godwit::functions
