#pragma once

// Passing errors on without ceremony.
//
//   GODWIT_TRY(expr);          leaves the function with expr's error
//   GODWIT_TRY(auto x, expr);  the same, else declares x from the value (three statements: needs
//   braces around it) GODWIT_CO_TRY(...)         both, inside a coroutine; expr may hold a co_await
#include <utility>

#include "base/error.h"

#define GODWIT_TRY(...) GODWIT_TRY_(return, __VA_ARGS__)
#define GODWIT_CO_TRY(...) GODWIT_TRY_(co_return, __VA_ARGS__)
#define GODWIT_TRY_(leave, ...) \
  GODWIT_TRY_ARITY(__VA_ARGS__)(leave, GODWIT_CAT(try_, __COUNTER__), __VA_ARGS__)
#define GODWIT_TRY_ARITY(first, ...) GODWIT_TRY_1##__VA_OPT__(2)
#define GODWIT_TRY_1(leave, tmp, ...)                                                  \
  do {                                                                                 \
    if (auto tmp = (__VA_ARGS__); !tmp) leave std::unexpected(std::move(tmp).error()); \
  } while (false)
#define GODWIT_TRY_12(leave, tmp, decl, ...)               \
  auto tmp = (__VA_ARGS__);                                \
  if (!tmp) leave std::unexpected(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define GODWIT_CAT2(a, b) a##b
#define GODWIT_CAT(a, b) GODWIT_CAT2(a, b)
