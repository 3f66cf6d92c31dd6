#pragma once

// What every Coordinator refuses before it does anything, so that both refuse the same.
//
// Threads: values. Failure: kInvalid, kTooLarge.
#include <string>
#include <vector>

#include "sites/coordinator.h"

namespace godwit::sites {

Result<> CheckKey(const std::string& key);
Result<> CheckCommit(const std::vector<Compare>& compares, const std::vector<Change>& changes);

}  // namespace godwit::sites
