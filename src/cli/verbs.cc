#include "cli/verbs.h"

namespace godwit::cli {

std::vector<Verb> Verbs(Verb node, FeatureProbe probe) {
  return {std::move(node),
          DeployVerb(),
          ListVerb(),
          RmVerb(),
          InvokeVerb(),
          ResultVerb(),
          CallbackVerb(),
          PsVerb(),
          LogsVerb(),
          SuspendVerb(),
          ResumeVerb(),
          MigrateVerb(),
          DoctorVerb(std::move(probe)),
          VersionVerb(),
          CompletionVerb()};
}

}  // namespace godwit::cli
