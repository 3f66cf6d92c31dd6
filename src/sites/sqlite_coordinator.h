#pragma once

// The Coordinator of a lone node: one SQLite file, and watches within this process.
//
// A commit is durable before it is told. Leases end by the steady clock, so that no step of the
// wall clock ends one early or late. When the file is opened again, a lease that was only granted
// goes on for what is left of it by the wall clock, at most its whole time; one that was kept
// alive belonged to somebody in the process that is gone, and has ended when what it was granted
// for is over. Watches know the last events of this process; older ones are as good as compacted.
//
// The file is used by one process at a time, whose store's lock says so. Threads: one loop; SQLite
// runs on a thread of its own (storage/journal.h). Failure: besides the Coordinator's, the
// database's: kNoSpace, kCorrupt, kUnsupported for a file of a newer program.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/gate.h"
#include "base/log.h"
#include "sites/coordinator.h"
#include "sites/history.h"
#include "storage/journal.h"

namespace godwit::sites {

class SqliteCoordinator : public Coordinator {
 public:
  static constexpr size_t kEvents = 4096;  // that a watch may be behind

  // Blocks: for start-up.
  static Result<std::unique_ptr<SqliteCoordinator>> Open(boost::asio::any_io_executor executor,
                                                         const std::string& path,
                                                         const Clock& clock, Log log,
                                                         size_t events = kEvents);

  Answer<std::optional<Entry>> Get(std::string key) override;
  Answer<Listing> List(std::string prefix) override;
  Answer<bool> Commit(std::vector<Compare> compares, std::vector<Change> changes) override;
  Answer<Lease> GrantLease(Nanos ttl) override;
  Answer<Nanos> KeepAlive(LeaseId lease) override;
  Answer<> RevokeLease(LeaseId lease) override;
  Answer<> Watch(std::string prefix, int64_t from, Sink sink) override;
  boost::asio::awaitable<void> Close() override;

 private:
  struct Held {
    SteadyTime ends{};
    Nanos ttl{};
    bool ended = false;  // its keys are on their way out
  };
  struct Opened {
    storage::Database database;
    int64_t revision;
    std::map<LeaseId, Nanos> left;
  };

  SqliteCoordinator(boost::asio::any_io_executor executor, Opened opened, const Clock& clock,
                    Log log, size_t events);
  static Result<Opened> OpenFile(const std::string& path, WallTime now);
  Result<> Begin();
  // Begins to end what is over. Whatever is asked after that sees it ended.
  Result<> EndDue();
  Answer<> End(LeaseId lease);
  boost::asio::awaitable<void> EndLater(LeaseId lease);
  boost::asio::awaitable<void> Run();

  boost::asio::any_io_executor executor_;
  const Clock& clock_;
  Log log_;
  History history_;
  std::map<LeaseId, Held> leases_;
  boost::asio::steady_timer next_end_;
  storage::Journal journal_;
  Gate gate_;
};

}  // namespace godwit::sites
