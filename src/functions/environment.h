#pragma once

// How a function's runtime is started: which program, with which variables.
//
// Names and variables are Lambda's ("Defined runtime environment variables", Lambda developer
// guide). Threads: any. Failure: kInvalid for a runtime this node does not have, naming those it
// has.
#include <string>

#include "base/error.h"
#include "functions/model.h"
#include "functions/workplace.h"
#include "sandbox/sandbox.h"

namespace godwit::functions {

enum class RuntimeKind { kPython, kNode, kProvided };

Result<RuntimeKind> RuntimeOf(const std::string& identifier);

// Directory below `runtimes` that is seen as /var/runtime; empty for provided.
std::string RuntimeDirectory(RuntimeKind kind);

// Also checks what can be known before the start: the handler's form, the environment's size
// (Lambda: 4 KB).
Result<> CheckSpec(const FunctionSpec& spec);

// `bakes`: its runtime is to ask for a restore, and not for calls.
sandbox::Program ProgramOf(const Function& function, const InstanceId& instance, uint32_t uid,
                           const Settings& settings, bool bakes = false);
// Where the function's root, code and runtime lie; what is the instance's own is left to the
// caller.
sandbox::Places PlacesOf(const Function& function, const Directories& directories);
sandbox::CgroupLimits LimitsOf(const FunctionSpec& spec);

}  // namespace godwit::functions
