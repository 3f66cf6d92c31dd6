#pragma once

// Where a restore with `--lazy-pages` hands over the userfaultfd of each process: CRIU connects to
// lazy-pages.socket in its directory of images (criu/uffd.c), and says the process's pid, an
// integer, and then the descriptor.
//
// Threads: one at a time. Lifetime: until the restore is over. Failure: kInternal for what CRIU
// does not say; else by errno.
#include <functional>
#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::checkpoint {

class LateSocket {
 public:
  using Handler = std::function<Result<>(Fd)>;

  // In the directory `images`, seen from here. `handler` gets each userfaultfd.
  static Result<LateSocket> Listen(const std::string& images, Handler handler);

  // To be polled for reading, then Receive(); -1 when nothing comes any more.
  int fd() const { return over_ ? -1 : connection_ ? connection_.get() : listener_.get(); }
  Result<> Receive();

 private:
  LateSocket(Fd listener, Handler handler)
      : listener_(std::move(listener)), handler_(std::move(handler)) {}

  Fd listener_;
  Fd connection_;
  Handler handler_;
  bool over_ = false;
};

}  // namespace godwit::checkpoint
