// Compilers that get coroutines wrong: each form that g++ 12 is known to destroy twice or to
// refuse, and those beside them that it gets right, with a value that counts its lives. A compiler
// that fails here must not build Godwit.
#include <gmock/gmock.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace godwit {
namespace {

namespace asio = boost::asio;

struct Tally {
  std::set<const void*> alive;
  int made = 0;
  int wrong = 0;  // made where one was alive, or destroyed where none was
};

class Counted {
 public:
  explicit Counted(Tally& tally) : tally_(&tally) { Begin(); }
  Counted(const Counted& other) : tally_(other.tally_) { Begin(); }
  Counted(Counted&& other) noexcept : tally_(other.tally_) { Begin(); }
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&&) noexcept = default;
  ~Counted() { tally_->wrong += tally_->alive.erase(this) == 1 ? 0 : 1; }

 private:
  void Begin() {
    ++tally_->made;
    tally_->wrong += tally_->alive.insert(this).second ? 0 : 1;
  }
  Tally* tally_;
};

struct Options {
  Counted c;
  int n = 0;
};
struct Built {
  Built(Counted counted, int number) : c(std::move(counted)), n(number) {}
  Counted c;
  int n;
};

asio::awaitable<void> Pause() { co_await asio::post(asio::use_awaitable); }

// Takes its argument, waits, and ends: what was passed must live until then, and die once.
template <typename T>
asio::awaitable<int> Take(T taken) {
  co_await Pause();
  static_cast<void>(taken);
  co_return 1;
}
asio::awaitable<int> TakeOptions(Options options) { return Take(std::move(options)); }
asio::awaitable<int> TakeMany(std::vector<Counted> many) { return Take(std::move(many)); }
asio::awaitable<int> Call(std::function<void()> work) {
  co_await Pause();
  work();
  co_return 1;
}
asio::awaitable<Counted> Make(Tally& tally) {
  co_await Pause();
  co_return Counted(tally);
}
asio::awaitable<Options> MakeOptions(Tally& tally) {
  co_await Pause();
  co_return Options{Counted(tally), 1};
}

struct Form {
  std::string name;
  std::function<asio::awaitable<void>(Tally&)> run;
};

std::vector<Form> Forms() {
  using Done = asio::awaitable<void>;
  return {
      {"LambdaWithCapture",
       [](Tally& t) -> Done { co_await Take([c = Counted(t)] { static_cast<void>(c); }); }},
      {"LambdaThatBecomesAFunction",
       [](Tally& t) -> Done { co_await Call([c = Counted(t)] { static_cast<void>(c); }); }},
      {"NamedAggregate", [](Tally& t) -> Done { co_await TakeOptions(Options{Counted(t), 2}); }},
      {"BracedAggregate", [](Tally& t) -> Done { co_await TakeOptions({Counted(t), 2}); }},
      {"DesignatedAggregate",
       [](Tally& t) -> Done { co_await TakeOptions({.c = Counted(t), .n = 2}); }},
      {"AggregateFromAwait",
       [](Tally& t) -> Done {
         const Options options{.c = co_await Make(t), .n = 3};
         co_await Pause();
         static_cast<void>(options);
       }},
      {"BracedVector", [](Tally& t) -> Done { co_await TakeMany({Counted(t), Counted(t)}); }},
      {"VectorFromAwaits",
       [](Tally& t) -> Done {
         const std::vector<Counted> many{co_await Make(t), co_await Make(t)};
         co_await Pause();
       }},
      {"NamedFirstAndMovedIn",
       [](Tally& t) -> Done {
         Options options{Counted(t), 2};
         co_await TakeOptions(std::move(options));
       }},
      {"ClassWithConstructor", [](Tally& t) -> Done { co_await Take(Built(Counted(t), 2)); }},
      {"Pair", [](Tally& t) -> Done { co_await Take(std::pair(Counted(t), 2)); }},
      {"TemporaryByValue", [](Tally& t) -> Done { co_await Take(Counted(t)); }},
      {"Conditional",
       [](Tally& t) -> Done {
         const int n =
             t.made == 0 ? co_await Take(Counted(t)) : co_await Take(Built(Counted(t), 1));
         EXPECT_EQ(n, 1);
       }},
      {"TryAndCatch",
       [](Tally& t) -> Done {
         const auto fail = [](Counted) -> asio::awaitable<int> {
           co_await Pause();
           throw std::runtime_error("on purpose");
         };
         bool caught = false;
         try {
           co_await fail(Counted(t));
         } catch (const std::runtime_error&) {
           caught = true;
         }
         EXPECT_TRUE(caught);
       }},
      {"IfWithAwait",
       [](Tally& t) -> Done {
         if (const Counted c = co_await Make(t); co_await Take(c) == 1) co_await Pause();
       }},
      {"LambdaWithoutCaptures",
       [](Tally& t) -> Done {
         co_await [](Counted c) -> asio::awaitable<void> {
           co_await Pause();
           static_cast<void>(c);
         }(Counted(t));
       }},
      {"AwaitAmongArguments",
       [](Tally& t) -> Done { co_await Take(std::pair(Counted(t), co_await Make(t))); }},
      {"MemberOfAwaited",
       [](Tally& t) -> Done {
         const Counted c = (co_await MakeOptions(t)).c;
         co_await Pause();
         static_cast<void>(c);
       }},
  };
}

TEST(CoroutineTest, EveryFormDestroysWhatItMadeOnce) {
  const std::vector<Form> forms = Forms();
  EXPECT_EQ(forms.size(), 18U);
  for (const Form& form : forms) {
    SCOPED_TRACE(form.name);
    asio::io_context loop(1);
    Tally tally;
    bool done = false;
    asio::co_spawn(loop, form.run(tally), [&](std::exception_ptr escaped) { done = !escaped; });
    loop.run();
    EXPECT_TRUE(done);
    EXPECT_GE(tally.made, 1);
    EXPECT_EQ(tally.wrong, 0);
    EXPECT_EQ(tally.alive.size(), 0U);
  }
}

}  // namespace
}  // namespace godwit
