// The same in C++, on the AWS runtime client for it: adds up squares that a thread tells it one by
// one, and waits after each.
#include <aws/lambda-runtime/runtime.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

namespace {

using aws::lambda_runtime::invocation_request;
using aws::lambda_runtime::invocation_response;

invocation_response Handle(const invocation_request& request) {
  int steps = 0;
  double pause = 0;
  int pipe_ends[2];
  if (std::sscanf(request.payload.c_str(), R"({"steps": %d, "pause": %lf})", &steps, &pause) != 2 ||
      ::pipe(pipe_ends) != 0) {
    return invocation_response::failure("neither steps nor pause", "BadEvent", "");
  }
  std::thread teller([&] {
    for (long number = 1; number <= steps; ++number) {
      std::this_thread::sleep_for(std::chrono::duration<double>(pause));
      if (::write(pipe_ends[1], &number, sizeof number) != sizeof number) break;
    }
  });
  long sum = 0;
  for (int step = 0; step < steps; ++step) {
    long number = 0;
    if (::read(pipe_ends[0], &number, sizeof number) != sizeof number) break;
    sum += number * number;
  }
  teller.join();
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
  return invocation_response::success(
      "{\"sum\": " + std::to_string(sum) + ", \"awsRequestId\": \"" + request.request_id + "\"}",
      "application/json");
}

}  // namespace

int main() { aws::lambda_runtime::run_handler(Handle); }
