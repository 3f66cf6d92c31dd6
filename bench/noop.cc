// Does nothing: what is left is the cost of the platform. Linked statically as `bootstrap`, for the
// runtime `provided`.
#include "examples/native/lambda_runtime.h"

int main() {
  return lambda::Run([](const lambda::Invocation&) -> lambda::Outcome { return "null"; });
}
