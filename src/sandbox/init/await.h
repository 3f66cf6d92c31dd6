#pragma once

// The starter of a container that the Docker Engine runs: the same program as init, asked to wait.
//
// `godwit-init await FIFO PROGRAM ARGUMENT…` becomes PROGRAM, looked for in PATH, as soon as
// somebody has opened the FIFO for writing. Failure: 126 if it cannot wait, 127 if the program
// cannot be started, with a line on standard error.

namespace godwit::sandbox {

// `words` is the command line behind "await", ended by null.
[[noreturn]] void AwaitAndBecome(char** words);

}  // namespace godwit::sandbox
