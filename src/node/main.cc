// The program `godwit`: all verbs, with the one whose work is done here.
#include "cli/node_verb.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "node/machine.h"
#include "node/node.h"
#include "node/site_work.h"

int main(int argc, char** argv) {
  using namespace godwit;
  const auto verbs = cli::Verbs(
      cli::NodeVerb(
          [](const cli::NodeConfig& config, cli::Output&) { return node::RunNode(config); }),
      [] { return node::ProbeMachine(""); }, node::WorkOnSites());
  return cli::Main(verbs, argc, argv);
}
