#include "cli/verbs.h"

#include <iterator>
#include <utility>

namespace godwit::cli {

std::vector<Verb> Verbs(Verb node, FeatureProbe probe, SiteWork site) {
  std::vector<Verb> verbs = {std::move(node), DeployVerb(),    ListVerb(),
                             RmVerb(),        InvokeVerb(),    ResultVerb(),
                             CallbackVerb(),  PsVerb(),        LogsVerb(),
                             SuspendVerb(),   ResumeVerb(),    DoctorVerb(std::move(probe)),
                             VersionVerb(),   CompletionVerb()};
  // Before the last three, which are of this machine and this program.
  auto of_site = SiteVerbs(std::move(site));
  verbs.insert(verbs.end() - 3, std::make_move_iterator(of_site.begin()),
               std::make_move_iterator(of_site.end()));
  return verbs;
}

}  // namespace godwit::cli
