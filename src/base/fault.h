#pragma once

// Points where a test may stop the process or make a step fail.
//
// In builds with GODWIT_FAULTS the variable GODWIT_FAULT chooses: "102:kill" ends the process at
// point 102, nothing flushed; "102:kill:2" at the second visit; "102:fail" makes
// GODWIT_FAULT_FAILS(...) true there. In a release both are nothing. A number never gets a second
// meaning. Threads: any.
#define GODWIT_FAULT_POINTS(X)                                                             \
  X(kInvocationAccepted, 101, "an Event call is durable, its caller not told")             \
  X(kResultKept, 102, "a result is durable, its caller not told")                          \
  X(kCallbackAccepted, 103, "a callback is durable, neither its call nor its sender told") \
  X(kImageDumped, 201, "the image is staged, the process still alive and stopped")         \
  X(kLastMoment, 207, "what it waits for is awaited while the process is stopped")         \
  X(kImageStoreFull, 203, "storing the image finds no space")                              \
  X(kProcessGone, 204, "the process is gone, its image only staged")                       \
  X(kImageStored, 206, "the process is gone, its image stored, but not in the journal")    \
  X(kBasesChosen, 208, "the process is gone, the bases of its image chosen, none written") \
  X(kImageSynced, 209, "the image is synced, its row does not say so")                     \
  X(kImageUnneeded, 210, "nobody needs an image any more, its file is still there")        \
  X(kSuspendJournalled, 205, "the suspension is durable, staging not tidied")              \
  X(kRestoreStarted, 301, "the image is staged for a restore, nothing runs")               \
  X(kRestored, 302, "the process runs again, the journal does not know yet")               \
  X(kResumeJournalled, 303, "the resume is durable, the image still kept")                 \
  X(kSandboxBuilt, 401, "walls stand, no process inside")                                  \
  X(kBakerReady, 501, "a baker has initialised, and is not put away yet")                  \
  X(kTemplateKept, 502, "a template is durable, its baker not gone")                       \
  X(kTemplateDropped, 503, "a template is out of the store, its image still there")        \
  X(kTemplateBroken, 504, "a template's image is that of somebody else")                   \
  X(kClonePlaced, 505, "a clone's image is staged, nothing runs")                          \
  X(kCloneRestored, 506, "a clone runs, nobody was told")                                  \
  X(kSpillWritten, 601, "a process' pages are written and held, none is let go of")        \
  X(kSpillDropped, 602, "its pages are let go of, nobody serves them, nobody runs")        \
  X(kSpilled, 603, "it is spilled and its threads wait again, nobody was told")            \
  X(kFilling, 604, "a piece of memory that was missing is back, others are not")           \
  X(kFrozen, 605, "it is frozen, nobody was told")                                         \
  X(kThawed, 606, "it is thawed, nobody was told")                                         \
  X(kDepartureHeld, 701, "an instance is put away to be sent, nothing is sent")            \
  X(kImageSent, 702, "an image is at the target, which does not have its luggage")         \
  X(kDeparted, 703, "an instance lives elsewhere, and its row is gone here")               \
  X(kArrivalStored, 704, "an image that came is stored, its row is not")                   \
  X(kArrivalKept, 705, "an instance that came has its row, the site does not know")        \
  X(kArrivalOwned, 706, "an instance that came is this node's, and does not run")          \
  X(kReplicaKept, 707, "a copy for another node is in the store, its owner not told")      \
  X(kTakenOver, 708, "an instance of a lost node is this node's, and does not run")

namespace godwit::fault {

enum class Point {
#define X(name, number, meaning) name = number,
  GODWIT_FAULT_POINTS(X)
#undef X
};

// True if GODWIT_FAULT asks this point to fail; ends the process if it asks for that.
bool Reach(Point point);

}  // namespace godwit::fault

#ifdef GODWIT_FAULTS
#define GODWIT_FAULT_FAILS(point) ::godwit::fault::Reach(::godwit::fault::Point::point)
#define GODWIT_FAULT(point) static_cast<void>(::godwit::fault::Reach(::godwit::fault::Point::point))
#else
#define GODWIT_FAULT_FAILS(point) (static_cast<void>(::godwit::fault::Point::point), false)
#define GODWIT_FAULT(point) static_cast<void>(::godwit::fault::Point::point)
#endif
