#pragma once

// What the Runtime API answers, word for word as Lambda's does: runtimes compare some of it.
//
// Threads: any. Failure: none. Source: AWS Lambda Runtime API 2018-06-01 and AWS's public runtime
// emulator.
#include <string>
#include <string_view>

#include "base/error.h"
#include "functions/runtime_port.h"
#include "http/message.h"

namespace godwit::aws {

// 202 {"status":"OK"}.
http::Response RuntimeAccepted();
// {"errorMessage":...,"errorType":...}.
http::Response RuntimeRefusal(int status, std::string_view type, std::string_view message);
// The answer to what the instance said to a response or an error that was posted.
http::Response RuntimeVerdict(const Result<>& verdict);
// The event with its headers; those that have nothing to say are left out.
http::Response RuntimeEvent(const functions::RuntimeCalls::Next& next);

// To a runtime that was restored: its log stream's name is in Godwit-Log-Stream, for the one in its
// environment is that of the instance that was saved.
http::Response RuntimeRestored(std::string_view log_stream);

// Lambda's error object: {"errorMessage":...,"errorType":...}.
std::string RuntimeErrorObject(std::string_view type, std::string_view message);

}  // namespace godwit::aws
