#pragma once

// Sends instances of this node to others: what is asked first, what is sent while it runs, what
// when it stands still, and whose it is when an answer is lost.
//
//   offer → (runs on) pages that are likely → put away → pages, rest, luggage → the target commits
//   owner and epoch in the registry, and it goes on there → its row goes here.
//
// Until the target has committed, it is this node's, whole, on disk. If no answer comes, the
// registry is asked until it says whose it is; if it is still this node's, the epoch is renewed
// first, so that the target cannot commit any more (docs/adr/0016). Threads: the loop. Lifetime:
// outlives its calls. Failure: of Migrate(): why; then it goes on here, unless
// the text says otherwise.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <set>
#include <string>

#include "functions/abroad.h"
#include "functions/travel.h"
#include "sites/sender.h"
#include "sites/surroundings.h"

namespace godwit::sites {

class Migrations {
 public:
  // Makes an instance known to the site: its epoch.
  using MakeKnown = std::function<boost::asio::awaitable<Result<int64_t>>(const InstanceId&)>;
  // `around` and `travel` outlive it.
  Migrations(const Surroundings& around, functions::Travel& travel, MakeKnown make_known);

  boost::asio::awaitable<Result<functions::Journey>> Migrate(InstanceId id, std::string to,
                                                             std::string mode);
  bool IsUnderWay(const InstanceId& id) const { return under_way_.contains(id.text); }
  // Nobody is asked for long any more whose an instance is.
  void Close() { closing_ = true; }

 private:
  struct Way;
  boost::asio::awaitable<Result<>> Prepare(Way& way);
  boost::asio::awaitable<Result<>> Send(Way& way, functions::Departure& departure);
  // Whether the target has it; waits until that is known. kClosing.
  boost::asio::awaitable<Result<bool>> IsThere(const Way& way);

  const Surroundings& around_;
  functions::Travel& travel_;
  MakeKnown make_known_;
  std::set<std::string> under_way_;
  bool closing_ = false;
};

}  // namespace godwit::sites
