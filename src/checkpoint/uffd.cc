#include "checkpoint/uffd.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "checkpoint/page_source.h"

namespace godwit::checkpoint {
namespace {

// `done` is what the kernel says it did, or the error again.
Result<Placed> Judge(int uffd, int result, int error, int64_t done, uint64_t address,
                     uint64_t bytes) {
  Placed fill;
  if (result == 0) {
    fill.bytes = bytes;
    return fill;
  }
  if (done > 0) fill.bytes = static_cast<uint64_t>(done);
  switch (error) {
    case EEXIST:
      WakePages(uffd, address + fill.bytes, kPage);
      fill.what = Filled::kThere;
      return fill;
    case EAGAIN:
      fill.what = Filled::kAgain;
      return fill;
    case ENOENT:
      fill.what = Filled::kUnmapped;
      return fill;
    case ESRCH:
      fill.what = Filled::kGone;
      return fill;
    case ENOSPC:  // so said before 4.19
      fill.what = Filled::kGone;
      return fill;
    case ENOMEM:
      return Fail(Code::kTooLarge, "there is no memory for a page that is to come back");
    default:
      return FailErrno(error, "cannot fill the page at {:#x}", address);
  }
}

}  // namespace

Result<> AgreeOnEvents(int uffd) {
  uffdio_api api = {};
  api.api = UFFD_API;
  api.features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE |
                 UFFD_FEATURE_EVENT_UNMAP;
  if (::ioctl(uffd, UFFDIO_API, &api) != 0)
    return FailErrno(errno, "cannot agree on page faults with the kernel");
  return {};
}

Result<> RegisterMissing(int uffd, uint64_t address, uint64_t bytes) {
  uffdio_register range = {};
  range.range = {address, bytes};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (::ioctl(uffd, UFFDIO_REGISTER, &range) != 0)
    return FailErrno(errno, "cannot watch {} bytes of memory at {:#x}", bytes, address);
  return {};
}

Result<Placed> CopyPages(int uffd, uint64_t address, std::span<const char> content) {
  uffdio_copy copy = {};
  copy.dst = address;
  copy.src = reinterpret_cast<uint64_t>(content.data());
  copy.len = content.size();
  const int result = ::ioctl(uffd, UFFDIO_COPY, &copy);
  const int error = errno;
  // Some kernels say EAGAIN for what was cut short by what `copy` tells.
  const int why = result != 0 && copy.copy < 0 ? static_cast<int>(-copy.copy) : error;
  return Judge(uffd, result, why, copy.copy, address, content.size());
}

Result<Placed> ZeroPages(int uffd, uint64_t address, uint64_t bytes) {
  uffdio_zeropage zero = {};
  zero.range = {address, bytes};
  const int result = ::ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
  const int error = errno;
  const int why = result != 0 && zero.zeropage < 0 ? static_cast<int>(-zero.zeropage) : error;
  return Judge(uffd, result, why, zero.zeropage, address, bytes);
}

void WakePages(int uffd, uint64_t address, uint64_t bytes) {
  uffdio_range range = {address, bytes};
  ::ioctl(uffd, UFFDIO_WAKE, &range);
}

bool IsThere(int uffd) {
  // Nothing is ever mapped at the first page, which is the answer for as long as there is memory.
  uffdio_zeropage zero = {};
  zero.range = {kPage, kPage};
  return ::ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0 || errno != ESRCH;
}

}  // namespace godwit::checkpoint
