#pragma once

// Brings the pages of processes back as they are touched: one thread of the node, for all of them,
// and a few that fill in the background what nobody has asked for yet.
//
// A space is the memory of one process, with anonymous pages missing: its userfaultfd (events
// agreed on, its ranges registered, non-blocking) and a map of where the content lies. A page that
// is touched comes at once, its neighbours in growing steps with it, and waits for nothing that is
// filled: at most for a slice that is being put, so that events are read in order. What is
// registered and in no map is a page of zeros. A space that is forked becomes two.
//
// THE DANGER: a missing page whose userfaultfd has lost its last holder reads as zeros. So a space
// is served until everything is there, or until its processes are dead: only then Drop() it. And
// whoever survives this process holds a copy of each userfaultfd until it has killed the processes
// (Sandbox::Hold, init/protocol.h).
//
// Threads: any; the observer is called on the pager's own and hands on to where it belongs. Only
// Drop() waits for a read of the source, one at most. A descriptor whose ranges are registered
// later (CRIU hands it over before) is served with kNever, and filled up once they are. Lifetime:
// the destructor lets go of all that is served. Failure: content that cannot be read is told once
// as kBroken; who waits for the page waits on, and must be killed.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/page_map.h"
#include "checkpoint/page_source.h"

namespace godwit::checkpoint {

using SpaceId = uint64_t;

struct PagerEvent {
  enum class Kind {
    kResident,  // all is there; it is served on, until it is dropped
    kForked,    // `space` is new, a copy of `parent`
    kGone,      // the process has ended, or runs another program; it is not served any more
    kBroken,    // a page cannot be brought back: kill the process, then Drop() it
  };
  Kind kind = Kind::kResident;
  SpaceId space = 0;
  SpaceId parent = 0;       // kForked
  Fd copy = {};             // kForked: of its userfaultfd, for who survives this process
  std::string reason = {};  // kBroken
};

struct Space {
  enum class Fill {
    kNever,   // by faults alone, until FillUp()
    kInOrder  // in the background: `first`, then by address
  };
  Fd uffd;
  std::vector<PageRange> ranges;
  std::shared_ptr<PageSource> source;
  Fill fill = Fill::kInOrder;
  std::vector<uint64_t> first = {};  // addresses of pages, as PagerState::touched had them
  std::function<void(PagerEvent)> observer = {};
};

struct PagerState {
  uint64_t faults = 0;
  uint64_t bytes_left = 0;        // still to come
  std::vector<uint64_t> touched;  // pages that were asked for, the first ones, in order
};

class Pager {
 public:
  static constexpr size_t kMostTouched = 1 << 16;

  // kUnsupported where the kernel has no userfaultfd with events.
  static Result<std::unique_ptr<Pager>> Start();
  Pager() = default;
  Pager(const Pager&) = delete;
  Pager& operator=(const Pager&) = delete;
  virtual ~Pager() = default;

  virtual SpaceId Serve(Space space) = 0;
  // From now on the rest comes in the background, whatever was said before.
  virtual void FillUp(SpaceId space) = 0;
  // Not served any more; returns when its threads have let go. Of one that is gone: nothing.
  virtual void Drop(SpaceId space) = 0;
  virtual std::optional<PagerState> Look(SpaceId space) = 0;
};

}  // namespace godwit::checkpoint
