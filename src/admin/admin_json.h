#pragma once

// The platform's values as Godwit's own API shows them.
//
// Times are RFC 3339 in UTC, "2026-11-22T01:19:00.123Z"; spans are whole microseconds or
// milliseconds, as their names say; what is not there is null. Threads: any. Failure: none.
#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "admin/node_info.h"
#include "functions/abroad.h"
#include "functions/platform.h"

namespace godwit::admin {

boost::json::object ToJson(const functions::InstanceView& view);
boost::json::object ToJson(const functions::MoveReport& report);
boost::json::array ToJson(const std::vector<functions::Transition>& history);
boost::json::object ToJson(const NodeInfo& info);
boost::json::object ToJson(const functions::Journey& journey);
// As text, because a result that is JSON is put in as the function wrote it; another one becomes a
// string.
std::string ToText(const functions::CallRecord& record);
std::string ToText(const functions::TrialReport& report);

}  // namespace godwit::admin
