#pragma once

// A TAP device in a network namespace, whose frames are read and written here.
//
// Frames carry a virtio_net_hdr (framing.h). The kernel hands over segments as large as it has
// them, with their checksum left open, as far as it can
// (linux/Documentation/networking/tuntap.rst). The device lives as long as the object, and holds
// its namespace. Threads: one reads and
// writes, another may call SetLarge. Failure: kNotFound, kDenied, kUnsupported by errno.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::testbed {

class Tap {
 public:
  // `space` is the path of a network namespace, such as /proc/PID/ns/net. The calling thread is in
  // there for a moment.
  static Result<Tap> Make(const std::string& space, const std::string& device);

  int fd() const { return fd_.get(); }

  // Whether frames stand for many, which is fast; false: each frame is one of the wire.
  Result<> SetLarge(bool large);

  // The bytes of the next frame, 0 if there is none.
  size_t Read(std::span<char> into);
  // False if the kernel does not take it.
  bool Write(std::string_view frame);

 private:
  Tap(Fd fd, std::string device) : fd_(std::move(fd)), device_(std::move(device)) {}

  Fd fd_;
  std::string device_;
  bool large_ = false;
};

}  // namespace godwit::testbed
