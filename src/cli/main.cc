// Run() in the real world.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <thread>

#include "cli/run.h"
#include "http/client.h"

namespace godwit::cli {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Output::Style StyleOfProcess() {
  Output::Style style;
  style.terminal = ::isatty(STDOUT_FILENO) == 1;
  style.progress = ::isatty(STDERR_FILENO) == 1;
  style.colour = style.terminal && Variable("NO_COLOR").empty() && Variable("TERM") != "dumb";
  winsize size = {};
  if (style.terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) style.width = size.ws_col;
  return style;
}

}  // namespace

int Main(std::span<const Verb> verbs, int argc, char** argv) {
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const SystemClock clock;
  Output out(std::cout, std::cerr, StyleOfProcess());
  return Run(
      verbs, words,
      {.transport = [](std::string_view url,
                       http::Request request) { return http::FetchNow(url, std::move(request)); },
       .out = out,
       .in = std::cin,
       .clock = clock,
       .pause = [](Nanos span) { std::this_thread::sleep_for(span); },
       .endpoint = Variable("GODWIT_ENDPOINT")});
}

}  // namespace godwit::cli
