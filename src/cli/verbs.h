#pragma once

// The verbs of `godwit`, one file each: deploy.cc has DeployVerb(), and so on.
//
// Threads: values. Failure: see verb.h.
#include <vector>

#include "base/feature.h"
#include "cli/site_verb.h"
#include "cli/verb.h"

namespace godwit::cli {

Verb DeployVerb();
Verb ListVerb();
Verb RmVerb();
Verb InvokeVerb();
Verb ResultVerb();
Verb CallbackVerb();
Verb PsVerb();
Verb LogsVerb();
Verb SuspendVerb();
Verb ResumeVerb();
// `probe` looks at this machine where no node answers.
Verb DoctorVerb(FeatureProbe probe);
Verb VersionVerb();
Verb CompletionVerb();

// All of them, in the order of `godwit --help`; `node` is the verb `node`, whose work is not cli's.
// The same for what `site init` and `site join` do.
std::vector<Verb> Verbs(Verb node, FeatureProbe probe, SiteWork site = {});

}  // namespace godwit::cli
