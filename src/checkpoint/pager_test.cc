#include "checkpoint/pager.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/userfaultfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <future>
#include <mutex>
#include <thread>

#include "base/files.h"
#include "base/loop.h"
#include "checkpoint/image_pages.h"
#include "checkpoint/uffd.h"
#include "storage/node_key.h"
#include "storage/test_directory.h"

namespace godwit::checkpoint {
namespace {

constexpr uint64_t kPages = 64;
constexpr uint64_t kBytes = kPages * kPage;
constexpr auto kPatience = std::chrono::seconds(20);

// What page `page` of the content begins with.
uint64_t Mark(uint64_t page) { return 0xA5000000U + page; }

std::string Content() {
  std::string content(kBytes, '\0');
  for (uint64_t page = 0; page < kPages; ++page) {
    const uint64_t mark = Mark(page);
    std::memcpy(content.data() + page * kPage, &mark, sizeof mark);
  }
  return content;
}

uint64_t At(const char* memory, uint64_t page) {
  uint64_t mark = 0;
  std::memcpy(&mark, memory + page * kPage, sizeof mark);
  return mark;
}

// Content in memory, of which some may be broken, or slow to come.
class Book : public PageSource {
 public:
  Result<> Read(uint64_t offset, std::span<char> into) override {
    if (broken) return Fail(Code::kCorrupt, "torn out");
    {
      std::unique_lock lock(mutex_);
      if (into.size() >= slow_) {
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return into.size() < slow_; });
        --waiting_;
      }
    }
    std::memcpy(into.data(), content.data() + offset, into.size());
    return {};
  }
  // From now on, who reads so many bytes or more at once waits.
  void SlowFrom(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    slow_ = bytes;
    changed_.notify_all();
  }
  void AwaitWaiting() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ > 0; });
  }
  std::string content = Content();
  std::atomic<bool> broken = false;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t slow_ = UINT64_MAX;
  int waiting_ = 0;
};

// What a fault brings at least and a filling does not.
constexpr uint64_t kMuch = 8 * kPage;

// A word between this process and its child.
class Stage {
 public:
  static void Reach(int stage) { word->store(stage); }
  static void Await(int stage) {
    while (word->load() < stage) ::usleep(1000);
  }
  static void Begin() {
    void* const page =
        ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    word = new (page) std::atomic<int>(0);
  }
  static void End() { ::munmap(word, kPage); }

 private:
  static inline std::atomic<int>* word = nullptr;
};

// A child with memory whose pages are missing. What it does with them is `act`, whose answer is its
// exit status.
class PagerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "userfaultfd needs root";
    Stage::Begin();
    auto pager = Pager::Start();
    ASSERT_TRUE(pager.has_value());
    pager_ = *std::move(pager);
  }
  void TearDown() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    book_->SlowFrom(UINT64_MAX);
    pager_.reset();  // before what it tells its events to
    Stage::End();
  }

  void Begin(int (*act)(char* memory), Space::Fill fill = Space::Fill::kNever,
             std::vector<uint64_t> first = {}) {
    memory_ = static_cast<char*>(
        ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    const Fd ours(pair[0]);
    Fd theirs(pair[1]);
    child_ = ::fork();
    if (child_ == 0) {
      ::alarm(20);
      const auto uffd = static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
      char number = static_cast<char>(uffd);
      static_cast<void>(::write(theirs.get(), &number, 1));
      if (::read(theirs.get(), &number, 1) != 1) ::_exit(99);
      ::close(uffd);
      ::_exit(act(memory_));
    }
    theirs = Fd();
    char number = 0;
    ASSERT_EQ(::read(ours.get(), &number, 1), 1);
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, child_, 0)));
    Fd uffd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
    ASSERT_TRUE(uffd);
    ASSERT_TRUE(AgreeOnEvents(uffd.get()));
    const auto base = reinterpret_cast<uint64_t>(memory_);
    ASSERT_TRUE(RegisterMissing(uffd.get(), base, kBytes));
    for (uint64_t& address : first) address = base + address * kPage;
    Space space;
    space.uffd = std::move(uffd);
    space.ranges = {{base, kBytes, 0}};
    space.source = source_ ? source_ : book_;
    space.fill = fill;
    space.first = std::move(first);
    space.observer = [this](PagerEvent event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
      changed_.notify_all();
    };
    space_ = pager_->Serve(std::move(space));
    ASSERT_EQ(::write(ours.get(), "g", 1), 1);
    ::munmap(memory_, kBytes);
  }

  int End() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = 0;
    return status;
  }

  bool Await(PagerEvent::Kind kind) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] {
      return std::ranges::any_of(events_, [&](const auto& event) { return event.kind == kind; });
    });
  }

  std::shared_ptr<Book> book_ = std::make_shared<Book>();
  std::shared_ptr<PageSource> source_;  // if it is another
  std::unique_ptr<Pager> pager_;
  char* memory_ = nullptr;
  pid_t child_ = 0;
  SpaceId space_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<PagerEvent> events_;
};

TEST_F(PagerTest, WhatIsTouchedIsThere) {
  Begin([](char* memory) {
    for (uint64_t page = kPages; page-- > 0;) {
      if (At(memory, page) != Mark(page)) return 1;
    }
    ::pause();
    return 0;
  });
  EXPECT_TRUE(Await(PagerEvent::Kind::kResident));
  const auto state = pager_->Look(space_);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->bytes_left, 0U);
  EXPECT_EQ(state->touched.size(), state->faults);
  EXPECT_EQ(state->touched.front(), reinterpret_cast<uint64_t>(memory_) + (kPages - 1) * kPage);
}

TEST_F(PagerTest, NeighboursComeInGrowingSteps) {
  Begin([](char* memory) {
    for (uint64_t page = 0; page < kPages; ++page) {
      if (At(memory, page) != Mark(page)) return 1;
    }
    ::pause();
    return 0;
  });
  EXPECT_TRUE(Await(PagerEvent::Kind::kResident));
  const auto state = pager_->Look(space_);
  ASSERT_TRUE(state.has_value());
  EXPECT_LT(state->faults, 8U);
}

TEST_F(PagerTest, TheRestComesWhenIdle) {
  Begin(
      [](char*) {
        ::pause();
        return 0;
      },
      Space::Fill::kInOrder, {7, 3});
  EXPECT_TRUE(Await(PagerEvent::Kind::kResident));
  const auto state = pager_->Look(space_);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->faults, 0U);
  EXPECT_EQ(state->bytes_left, 0U);
}

TEST_F(PagerTest, AForkIsServedToo) {
  Begin([](char* memory) {
    const pid_t child = ::fork();
    for (uint64_t page = 0; page < kPages; page += 2) {
      if (At(memory, page) != Mark(page)) return 1;
      memory[page * kPage] = 1;
    }
    if (child == 0) return 0;
    int status = 0;
    ::waitpid(child, &status, 0);
    for (uint64_t page = 1; page < kPages; page += 2) {
      if (At(memory, page) != Mark(page)) return 2;
    }
    return WEXITSTATUS(status);
  });
  EXPECT_EQ(End(), 0);
  EXPECT_TRUE(Await(PagerEvent::Kind::kForked));
  EXPECT_TRUE(events_.front().copy);
  EXPECT_EQ(events_.front().parent, space_);
  EXPECT_TRUE(Await(PagerEvent::Kind::kGone));
}

TEST_F(PagerTest, WhatIsMovedComesWhereItIsNow) {
  Begin([](char* memory) {
    auto* moved = static_cast<char*>(::mremap(memory + 8 * kPage, 8 * kPage, 16 * kPage,
                                              MREMAP_MAYMOVE | MREMAP_FIXED, memory + (1 << 30)));
    if (moved == MAP_FAILED) return 3;
    for (uint64_t page = 0; page < 8; ++page) {
      if (At(moved, page) != Mark(page + 8)) return 1;
    }
    for (uint64_t page = 8; page < 16; ++page) {
      if (At(moved, page) != 0) return 2;
    }
    return At(memory, 7) == Mark(7) && At(memory, 16) == Mark(16) ? 0 : 4;
  });
  EXPECT_EQ(End(), 0);
}

TEST_F(PagerTest, WhatIsGivenUpIsZero) {
  Begin([](char* memory) {
    if (::madvise(memory + 4 * kPage, 4 * kPage, MADV_DONTNEED) != 0) return 3;
    if (::munmap(memory + 20 * kPage, 4 * kPage) != 0) return 3;
    if (::mmap(memory + 20 * kPage, 4 * kPage, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
      return 3;
    }
    for (uint64_t page = 0; page < kPages; ++page) {
      const bool given_up = (page >= 4 && page < 8) || (page >= 20 && page < 24);
      if (At(memory, page) != (given_up ? 0 : Mark(page))) return 1;
    }
    return 0;
  });
  EXPECT_EQ(End(), 0);
}

// Threads change what is being filled in the background, and read it.
TEST_F(PagerTest, ChangesRaceWithTheFilling) {
  Begin(
      [](char* memory) {
        std::atomic<int> wrong = 0;
        std::vector<std::jthread> threads;
        for (uint64_t part = 0; part < 4; ++part) {
          threads.emplace_back([&wrong, memory, part] {
            for (uint64_t page = part * 16; page < part * 16 + 16; ++page) {
              if (page % 4 == 0) ::madvise(memory + page * kPage, kPage, MADV_DONTNEED);
              if (At(memory, page) != (page % 4 == 0 ? 0 : Mark(page))) ++wrong;
              if (page % 8 == 1 && ::fork() == 0) {
                ::_exit(At(memory, 63 - page) == 0 || At(memory, 63 - page) == Mark(63 - page) ? 0
                                                                                               : 1);
              }
            }
          });
        }
        threads.clear();
        for (int status = 0; ::wait(&status) > 0;) wrong += status != 0 ? 1 : 0;
        return wrong.load();
      },
      Space::Fill::kInOrder);
  EXPECT_EQ(End(), 0);
}

TEST_F(PagerTest, WhoMissesAPageDoesNotWaitForTheFilling) {
  book_->SlowFrom(kMuch);
  Begin(
      [](char* memory) {
        for (uint64_t page = kPages; page-- > 0;) {
          if (At(memory, page) != Mark(page)) return 1;
        }
        return 0;
      },
      Space::Fill::kInOrder);
  EXPECT_EQ(End(), 0);
}

TEST_F(PagerTest, NobodyWhoCallsWaitsForARead) {
  book_->SlowFrom(0);
  Begin([](char* memory) { return At(memory, 3) == Mark(3) ? 0 : 1; }, Space::Fill::kInOrder);
  book_->AwaitWaiting();
  EXPECT_EQ(pager_->Look(space_)->bytes_left, kBytes);
  pager_->FillUp(space_);
  Space another;
  another.uffd = Fd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  another.source = book_;
  ASSERT_TRUE(AgreeOnEvents(another.uffd.get()));
  pager_->Drop(pager_->Serve(std::move(another)));
  book_->SlowFrom(UINT64_MAX);
  EXPECT_EQ(End(), 0);
}

// What was read before it was given up is not put there afterwards.
TEST_F(PagerTest, WhatIsGivenUpWhileItIsReadStaysZero) {
  book_->SlowFrom(kMuch);
  Begin(
      [](char* memory) {
        Stage::Await(1);
        if (::madvise(memory, 4 * kPage, MADV_DONTNEED) != 0) return 3;
        Stage::Reach(2);
        Stage::Await(3);
        for (uint64_t page = 0; page < kPages; ++page) {
          if (At(memory, page) != (page < 4 ? 0 : Mark(page))) return 1;
        }
        return 0;
      },
      Space::Fill::kInOrder);
  book_->AwaitWaiting();
  Stage::Reach(1);
  Stage::Await(2);
  book_->SlowFrom(UINT64_MAX);
  EXPECT_TRUE(Await(PagerEvent::Kind::kResident));
  Stage::Reach(3);
  EXPECT_EQ(End(), 0);
}

// A restore keeps a thread of the pool until its processes run, and they run when their pages are
// there. So nothing that the pager reads may need the pool.
TEST_F(PagerTest, AnImageThatNobodyHasOpenedComesWhileThePoolWaitsForIt) {
  const storage::TestDirectory home;
  SystemEntropy entropy;
  const auto blobs = *storage::Blobs::Open(
      home.path(), *storage::LoadNodeKey(*DiskFiles(), home.path(), entropy), entropy);
  const std::string content = Content();
  const std::string_view halves[] = {std::string_view(content).substr(0, kBytes / 2),
                                     std::string_view(content).substr(kBytes / 2)};
  std::vector<PageOwner> owners;
  std::vector<PageRun> runs;
  for (const std::string_view half : halves) {
    storage::Tail none;
    owners.push_back({*blobs->PutUnique(std::span(&half, 1), none,
                                        {.durability = Durability::kCached,
                                         .chunk_bytes = storage::kLeastBlobChunk}),
                      "", 0, kPages / 2});
    runs.push_back({static_cast<uint8_t>(runs.size()), 0, kPages / 2});
  }
  source_ = *OpenLatePages(*blobs, owners, runs);
  Begin([](char* memory) {
    for (uint64_t page = kPages; page-- > 0;) {
      if (At(memory, page) != Mark(page)) return 1;
    }
    return 0;
  });
  Pool pool(1);
  std::promise<int> status;
  boost::asio::post(pool, [&] { status.set_value(End()); });
  auto ended = status.get_future();
  while (ended.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
    pager_->FillUp(space_);  // as the loop does meanwhile
    pager_->Look(space_);
  }
  EXPECT_EQ(ended.get(), 0);
  pool.join();
}

TEST_F(PagerTest, AnEndInTheMiddleIsSeen) {
  Begin([](char* memory) { return At(memory, 5) == Mark(5) ? 0 : 1; });
  EXPECT_EQ(End(), 0);
  EXPECT_TRUE(Await(PagerEvent::Kind::kGone));
  EXPECT_FALSE(pager_->Look(space_).has_value());
}

TEST_F(PagerTest, APageThatCannotBeReadIsNeverZero) {
  book_->broken = true;
  Begin([](char* memory) { return At(memory, 5) == 0 ? 1 : 2; });
  EXPECT_TRUE(Await(PagerEvent::Kind::kBroken));
  EXPECT_THAT(events_.front().reason, testing::HasSubstr("torn out"));
  EXPECT_EQ(::waitpid(child_, nullptr, WNOHANG), 0);
  ::kill(child_, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(End()));
  pager_->Drop(space_);
}

TEST(PageSourceTest, AFileThatIsTooShortIsCorrupt) {
  const Fd file(::memfd_create("pages", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), 5000), 0);
  const auto source = FileSource(Fd(::dup(file.get())));
  std::string page(kPage, '\0');
  EXPECT_TRUE(source->Read(0, page));
  EXPECT_EQ(source->Read(kPage, page).error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace godwit::checkpoint
