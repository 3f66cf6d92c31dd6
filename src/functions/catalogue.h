#pragma once

// The functions of the node: what is deployed, under which name, and the crew of each.
//
// Changes of one function happen one after another (its name's turn is held from the first look to
// the last word), so that of two creations one wins, and what is deleted stays deleted; changes of
// different functions go side by side. Threads: the loop. Lifetime: outlives its coroutines.
// Failure: as Platform has it; a change that fails changes nothing.
#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/gate.h"
#include "base/turns.h"
#include "functions/code_store.h"
#include "functions/crews.h"
#include "functions/image_store.h"
#include "functions/platform.h"
#include "functions/schema.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Catalogue {
 public:
  Catalogue(Workplace& workplace, Crews& crews)
      : work_(workplace),
        crews_(crews),
        code_(workplace),
        images_(workplace),
        turns_(workplace.executor),
        gate_(workplace.executor) {}

  // Start-up, blocking. A function whose code cannot be unpacked is listed and says why in
  // `failure`; it runs again when it is deployed again.
  void Restore(Function function);
  // The same for the code of an instance on disk.
  Result<> UnpackFor(const Function& function);

  boost::asio::awaitable<Result<Function>> Create(FunctionSpec spec, std::string zip);
  boost::asio::awaitable<Result<Function>> UpdateCode(std::string name, Deployment deployment);
  boost::asio::awaitable<Result<Function>> UpdateConfiguration(std::string name,
                                                               FunctionPatch patch);
  boost::asio::awaitable<Result<>> Delete(std::string name);
  // A function of another node, for an instance of it that comes: with its code, or with code that
  // is here already (kNotFound: it is not). Unless one of that name is here, it is deployed as it
  // is, revision and all.
  struct Imported {
    Function function;                // as this node has it
    std::optional<Turns::Held> code;  // until an instance of it is here; not if it is deployed
  };
  boost::asio::awaitable<Result<Imported>> Import(Function function, std::string zip);
  Result<Function> Get(const std::string& name) const;
  std::vector<Function> List() const;  // by name
  boost::asio::awaitable<Result<std::string>> Zip(std::string name);

  // The same of a revision that is no more, but of which an instance is here.
  boost::asio::awaitable<Result<std::string>> ZipOf(const Function& function) {
    return code_.Zip(function.zip_id);
  }

  ImageUploads& images() { return images_; }

  // Who runs the function's calls; kConflict if its code cannot run (Lambda: state Failed).
  Result<std::shared_ptr<Crew>> CrewFor(const std::string& name) const;
  // The same for what is on disk already, which may run even so; nullptr without such a function.
  std::shared_ptr<Crew> Find(const std::string& name) const;

  // Ten times a second: drops code that is of no use any more.
  void Tick();
  // From now on changes are refused with kClosing. Returns when nothing is being dropped.
  boost::asio::awaitable<void> Close();

 private:
  struct Deployed {
    Function function;
    std::shared_ptr<Crew> crew;
    bool lost = false;  // its code is, and not only out of reach
  };

  Result<> Open() const;
  Result<const Deployed*> Lookup(const std::string& name) const;
  boost::asio::awaitable<Result<Function>> Publish(Function function);
  boost::asio::awaitable<Result<Function>> PublishAsItIs(Function function);
  // A function's image, found and made its code.
  boost::asio::awaitable<Result<>> TakeImage(Function& function);
  void Doubt(const Function& function);
  // Whose code has this hash; nullptr: nobody's.
  const Function* FindCode(const std::string& sha256) const;
  CodeStore::Use UseOf(const std::string& code_id) const;
  boost::asio::awaitable<void> Drop();

  Workplace& work_;
  Crews& crews_;
  CodeStore code_;
  ImageStore images_;
  Turns turns_;  // by name
  // Entries come and go while a change waits: none is referred to over a co_await.
  std::map<std::string, Deployed, std::less<>> functions_;
  bool dropping_ = false;
  bool closing_ = false;
  Gate gate_;
};

}  // namespace godwit::functions
