#pragma once

// Takes code in: checks a function's settings, keeps its zip, unpacks it where sandboxes find it.
//
// Threads: the loop (its work goes to the pool); Unpack() blocks and is for start-up. Failure:
// kInvalid for settings or a zip that will not do, with a text for the user; kTooLarge; kNoSpace.
// Nothing is left behind then.
#include <boost/asio/awaitable.hpp>
#include <string>

#include "base/error.h"
#include "functions/schema.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Deployer {
 public:
  explicit Deployer(Workplace& workplace) : work_(workplace) {}

  boost::asio::awaitable<Result<Function>> Deploy(FunctionSpec spec, std::string zip);
  Result<> Apply(FunctionSpec& spec, const FunctionPatch& patch) const;
  // Makes the directory of the function's code from its kept zip, if it is not there.
  Result<> Unpack(const Function& function);

 private:
  Workplace& work_;
};

}  // namespace godwit::functions
