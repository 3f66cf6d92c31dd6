#pragma once

// What `godwit site init` and `godwit site join` do on a store, for the command line.
//
// Threads: the caller's; it blocks. Failure: sites/join.h's.
#include "cli/site_verb.h"

namespace godwit::node {

cli::SiteWork WorkOnSites();

}  // namespace godwit::node
