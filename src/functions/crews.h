#pragma once

// All crews of the node: those of its functions, and those of deleted ones until they are empty.
//
// Threads: the loop. Lifetime: co_await Close() before it is destroyed. Failure: none.
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <vector>

#include "base/gate.h"
#include "functions/crew.h"
#include "functions/room.h"

namespace godwit::functions {

class Crews {
 public:
  explicit Crews(Workplace& workplace)
      : work_(workplace),
        room_(workplace,
              [this](const auto& each) {
                for (const auto& crew : crews_) crew->ForEachHere(each);
              }),
        gate_(workplace.executor) {}

  // It ends when nobody else holds it and its last instance is gone.
  std::shared_ptr<Crew> Make(const Function& function);
  // nullptr if there is no such instance.
  Instance* Find(const InstanceId& id) const;
  template <typename Each>  // void(const Crew&)
  void ForEachCrew(Each each) const {
    for (const auto& crew : crews_) each(*crew);
  }
  template <typename Each>  // void(const Instance&)
  void ForEach(Each each) const {
    for (const auto& crew : crews_) crew->ForEach(each);
  }

  // Ten times a second.
  void Tick();
  // Puts away or ends all instances; crews that are made later have none.
  boost::asio::awaitable<void> Close();

 private:
  boost::asio::awaitable<void> End(std::shared_ptr<Crew> crew);

  Workplace& work_;
  std::vector<std::shared_ptr<Crew>> crews_;
  Room room_;
  Gate gate_;
};

}  // namespace godwit::functions
