#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "sites/registry.h"
#include "sites/registry_keys.h"

namespace godwit::sites {

namespace asio = boost::asio;

namespace {

// Between two tries while the coordinator is away.
constexpr Nanos kPause = std::chrono::milliseconds(500);

}  // namespace

asio::awaitable<void> Registry::Follow(
    std::string kind, std::function<void(const std::vector<Entry>&)> all,
    std::function<void(const Event&, std::string name)> changed) {
  const std::string prefix = PrefixOf(site_, kind);
  asio::steady_timer pause(co_await asio::this_coro::executor);
  int64_t next = 0;  // zero: list first
  bool complained = false;
  while (true) {
    Result<> outcome;
    if (next == 0) {
      const auto listing = co_await coordinator_.List(prefix);
      if (listing) {
        all(listing->entries);
        next = listing->revision + 1;
        complained = false;
        continue;
      }
      outcome = std::unexpected(listing.error());
    } else {
      outcome = co_await coordinator_.Watch(prefix, next, [&](const std::vector<Event>& events) {
        complained = false;
        next = events.back().revision + 1;
        for (const auto& event : events) {
          if (auto name = NameOf(prefix, event.key)) changed(event, *std::move(name));
        }
      });
    }
    const Code code = outcome.error().code();
    if (code == Code::kClosing) co_return;
    if (code != Code::kUnavailable) next = 0;
    if (code == Code::kStale) continue;
    if (!std::exchange(complained, true))
      log_.Warning("cannot follow the site's {}: {}", kind, outcome.error().ToString());
    pause.expires_after(kPause);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> Registry::WatchAlive(AliveWatcher watcher) {
  const std::string prefix = PrefixOf(site_, kAlive);
  co_await Follow(
      std::string(kAlive),
      [&](const std::vector<Entry>& entries) {
        std::set<std::string> names;
        for (const auto& entry : entries) {
          if (auto name = NameOf(prefix, entry.key)) names.insert(*std::move(name));
        }
        watcher.all(names);
      },
      [&](const Event& event, const std::string& name) {
        watcher.changed(name, event.value.has_value());
      });
}

template <typename T, typename Watcher>
asio::awaitable<void> Registry::WatchAll(std::string_view kind, Reader<T> read,
                                         const Watcher& watcher) {
  co_await Follow(
      std::string(kind),
      [&](const std::vector<Entry>& entries) {
        std::vector<T> all;
        for (const auto& entry : entries) {
          auto one = read(entry.key, entry.value);
          if (one) {
            all.push_back(*std::move(one));
          } else {
            log_.Warning("{}", one.error().ToString());
          }
        }
        watcher.all(all);
      },
      [&](const Event& event, const std::string& name) {
        if (!event.value) return watcher.changed(name, std::nullopt);
        auto one = read(event.key, *event.value);
        if (!one) return log_.Warning("{}", one.error().ToString());
        watcher.changed(name, *std::move(one));
      });
}

asio::awaitable<void> Registry::WatchInstances(InstanceWatcher watcher) {
  co_await WatchAll<InstanceRecord>(kInstances, ReadInstance, watcher);
}

asio::awaitable<void> Registry::WatchMembers(MemberWatcher watcher) {
  co_await WatchAll<Member>(kMembers, ReadMember, watcher);
}

}  // namespace godwit::sites
