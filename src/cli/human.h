#pragma once

// Sizes and times as people read and write them.
//
// Threads: any. Failure: the parsers give kInvalid with a text that says what would be right.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace godwit::cli {

// "0 B", "812 B", "13.7 MB", "1.02 GB": decimal units, three digits.
std::string HumanBytes(uint64_t bytes);
// "412 us", "41.3 ms", "1.52 s", "3 min 5 s", "2 h 7 min", "3 d 4 h": two units at most.
std::string HumanSpan(Nanos span);
// "in 18 s", "2 min 3 s ago", "now".
std::string HumanMoment(WallTime moment, WallTime now);

// "500ms", "1s", "10m", "24h", "7d": a number (a fraction may follow) and its unit; "0" alone.
Result<Nanos> ParseSpan(std::string_view text);
// The shortest text that ParseSpan() reads back as `span`: "500ms", "10s", "24h".
std::string FormatSpan(Nanos span);
// ISO 8601 in UTC, "2026-11-22T01:19:00.123Z" or with "+0000".
std::optional<WallTime> ParseIso(std::string_view text);

}  // namespace godwit::cli
