// What it would cost a function, and save its suspension, to have the kernel note which pages it
// writes (docs/adr/0014). Prints processor time, not that of the clock on the wall.
//
//     build/release/bench/bench_write_tracking [MIB]
//
// The kernel's Documentation/admin-guide/mm/pagemap.rst, ioctl PAGEMAP_SCAN, since Linux 6.7. Its
// numbers are here, for Debian's headers are older.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace {

constexpr uint64_t kWpUnpopulated = 1U << 13U;  // UFFD_FEATURE_…
constexpr uint64_t kWpAsync = 1U << 15U;
constexpr uint64_t kPageIsWritten = 2;
constexpr uint64_t kProtectWhatIsFound = 1;
constexpr uint64_t kOnlyWithAsync = 2;
constexpr size_t kPage = 4096;
constexpr size_t kPiece = 1 << 20;

struct Region {
  uint64_t start, end, categories;
};

struct Scan {
  uint64_t size, flags, start, end, walk_end, regions, regions_size, most_pages, inverted, mask,
      any_of, returned;
};

[[noreturn]] void Give(const char* what) {
  std::perror(what);
  std::exit(1);
}

template <typename Work>
double Micros(Work work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
  };
  const double begun = now();
  work();
  return now() - begun;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t pages = std::strtoul(argc > 1 ? argv[1] : "64", nullptr, 10) * kPiece / kPage;
  const size_t size = pages * kPage;
  const size_t few = std::max<size_t>(1, pages / 100);
  void* const mapped =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) Give("mmap");
  madvise(mapped, size, MADV_NOHUGEPAGE);
  const std::span memory(static_cast<char*>(mapped), size);
  std::mt19937 random(1);
  std::ranges::generate(memory, [&] { return static_cast<char>(random()); });
  std::vector<size_t> order(pages);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::shuffle(order, random);
  const auto write = [&](size_t count) {
    for (size_t i = 0; i < count; ++i) ++memory[order[i] * kPage];
  };

  const double plain = Micros([&] { write(pages); });
  const int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
  if (fd < 0) Give("userfaultfd");
  uffdio_api api = {.api = UFFD_API, .features = kWpAsync | kWpUnpopulated, .ioctls = 0};
  if (ioctl(fd, UFFDIO_API, &api) != 0) Give("UFFDIO_API");
  const auto start = reinterpret_cast<uint64_t>(mapped);
  uffdio_register all = {
      .range = {.start = start, .len = size}, .mode = UFFDIO_REGISTER_MODE_WP, .ioctls = 0};
  const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  std::vector<Region> regions(pages);
  Scan scan = {};
  scan.size = sizeof scan;
  scan.flags = kProtectWhatIsFound | kOnlyWithAsync;
  scan.start = start;
  scan.end = start + size;
  scan.regions = reinterpret_cast<uint64_t>(regions.data());
  scan.regions_size = regions.size();
  scan.mask = scan.returned = kPageIsWritten;
  const auto look = [&] {
    if (ioctl(pagemap, _IOWR('f', 16, Scan), &scan) < 0) Give("PAGEMAP_SCAN");
  };
  const double registered = Micros([&] {
    if (ioctl(fd, UFFDIO_REGISTER, &all) != 0) Give("UFFDIO_REGISTER");
    look();
  });
  const double first_few = Micros([&] { write(few); });
  const double looked = Micros(look);
  const double first_all = Micros([&] { write(pages); });

  const int image = memfd_create("image", MFD_CLOEXEC);  // as an image on a tmpfs
  const auto put = [&](size_t from, size_t length, size_t to) {
    if (pwrite(image, &memory[from], length, static_cast<off_t>(to)) < 0) Give("pwrite");
  };
  const double all_written = Micros([&] {
    for (size_t at = 0; at < size; at += kPiece) put(at, std::min(kPiece, size - at), at);
  });
  if (ftruncate(image, 0) != 0) Give("ftruncate");
  const double few_written = Micros([&] {
    for (size_t i = 0; i < few; ++i) put(order[i] * kPage, kPage, i * kPage);
  });

  const auto of = static_cast<double>(pages);
  std::printf("a write to a page that is there       %8.2f us\n", plain / of);
  std::printf("the first write to a protected one    %8.2f us (1 %% of them: %.2f us)\n",
              first_all / of, first_few / static_cast<double>(few));
  std::printf("to protect all                        %8.2f ms\n", registered / 1e3);
  std::printf("to be written once, all of them       %8.2f ms\n", first_all / 1e3);
  std::printf("to find the 1 %% that was written      %8.2f ms\n", looked / 1e3);
  std::printf("to write all to a tmpfs               %8.2f ms\n", all_written / 1e3);
  std::printf("to write that 1 %%                     %8.2f ms\n", few_written / 1e3);
  return 0;
}
