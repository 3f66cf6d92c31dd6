// Futexes, alone and below pthread; file locks; System V semaphores and queues; POSIX queues.
#include "frame.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t word;

static void Futex(void) {
  const struct timespec timeout = Spec(seconds);
  const double begun = Clock(CLOCK_MONOTONIC);
  Failed("futex", syscall(SYS_futex, &word, FUTEX_WAIT, 0, &timeout, NULL, 0), ETIMEDOUT);
  Lasts("futex", Clock(CLOCK_MONOTONIC) - begun, seconds);
  Lasts("its time-out", Time(timeout), Time(Spec(seconds)));
}

static void FutexUntil(void) {
  const double begun = Clock(CLOCK_REALTIME);
  const struct timespec until = Spec(begun + seconds);
  Failed("futex",
         syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &until, NULL, ~0u),
         ETIMEDOUT);
  Lasts("futex", Clock(CLOCK_REALTIME) - begun, seconds - 1e-6);
}

static void Wake(int unused) {
  (void)unused;
  uint32_t* shared = (uint32_t*)(uintptr_t)0x600d000000;
  __atomic_store_n(shared, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, shared, FUTEX_WAKE, 1, NULL, NULL, 0);
}
static void FutexWoken(void) {
  uint32_t* shared = mmap((void*)(uintptr_t)0x600d000000, 4096, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  Need(shared == MAP_FAILED ? -1 : 0, "mmap");
  const double begun = Clock(CLOCK_MONOTONIC);
  After(Wake, 0);
  const struct timespec timeout = Spec(30);
  long woken = syscall(SYS_futex, shared, FUTEX_WAIT, 0, &timeout, NULL, 0);
  // Whoever wakes it may be back first: the word has another value when it is asked again, as it
  // may have after any signal that restarts the call (futex(2), EAGAIN).
  if (woken == -1 && errno == EAGAIN) woken = 0;
  Is("futex", woken, 0);
  Lasts("futex", Clock(CLOCK_MONOTONIC) - begun, seconds);
}

static void FutexWaitv(void) {
  struct futex_waitv one = {0, (uintptr_t)&word, FUTEX_32 | FUTEX_PRIVATE_FLAG, 0};
  const double begun = Clock(CLOCK_MONOTONIC);
  const struct timespec until = Spec(begun + seconds);
  Failed("futex_waitv", syscall(449, &one, 1, 0, &until, CLOCK_MONOTONIC), ETIMEDOUT);
  Lasts("futex_waitv", Clock(CLOCK_MONOTONIC) - begun, seconds - 1e-6);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void CondOn(clockid_t clock) {
  const double begun = Clock(clock);
  const struct timespec until = Spec(begun + seconds);
  pthread_mutex_lock(&mutex);
  Is("cond", pthread_cond_clockwait(&condition, &mutex, clock, &until), ETIMEDOUT);
  Lasts("cond", Clock(clock) - begun, seconds - 1e-6);
  Is("the mutex", pthread_mutex_trylock(&mutex), EBUSY);
}
static void CondReal(void) { CondOn(CLOCK_REALTIME); }
static void CondMonotonic(void) { CondOn(CLOCK_MONOTONIC); }

static void* Signal(void* unused) {
  (void)unused;
  const struct timespec request = Spec(seconds);
  nanosleep(&request, NULL);
  pthread_mutex_lock(&mutex);
  pthread_cond_signal(&condition);
  pthread_mutex_unlock(&mutex);
  return (void*)7;
}
static void CondSignalled(void) {
  pthread_t thread;
  const double begun = Clock(CLOCK_MONOTONIC);
  pthread_mutex_lock(&mutex);
  pthread_create(&thread, NULL, Signal, NULL);
  Is("cond", pthread_cond_wait(&condition, &mutex), 0);
  Lasts("cond", Clock(CLOCK_MONOTONIC) - begun, seconds);
  pthread_mutex_unlock(&mutex);
  void* result = NULL;
  Is("join", pthread_join(thread, &result), 0);
  Is("the thread's result", (long)result, 7);
}

static void Semaphore(void) {
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  const double begun = Clock(CLOCK_REALTIME);
  const struct timespec until = Spec(begun + seconds);
  Failed("sem_timedwait", sem_timedwait(&semaphore, &until), ETIMEDOUT);
  Lasts("sem_timedwait", Clock(CLOCK_REALTIME) - begun, seconds - 1e-6);
}

static void* Lock(void* mine) {
  pthread_mutex_lock(mine);
  pause();
  return NULL;
}
static void TimedLock(int protocol) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, protocol);
  pthread_mutex_t mine;
  pthread_mutex_init(&mine, &attributes);
  pthread_t thread;
  pthread_create(&thread, NULL, Lock, &mine);
  while (pthread_mutex_trylock(&mine) == 0) {
    pthread_mutex_unlock(&mine);
    usleep(1000);
  }
  const double begun = Clock(CLOCK_REALTIME);
  const struct timespec until = Spec(begun + seconds);
  Is("timedlock", pthread_mutex_timedlock(&mine, &until), ETIMEDOUT);
  Lasts("timedlock", Clock(CLOCK_REALTIME) - begun, seconds - 1e-6);
}
static void MutexTimed(void) { TimedLock(PTHREAD_PRIO_NONE); }
static void MutexInheriting(void) { TimedLock(PTHREAD_PRIO_INHERIT); }

// Held by a child, that lets go in time.
static void HoldFlock(int fd) { close(fd); }
static void Flock(void) {
  const int held = open("/tmp/conformance.flock", O_CREAT | O_RDWR, 0600);
  Need(flock(held, LOCK_EX), "flock");
  const double begun = Clock(CLOCK_MONOTONIC);
  After(HoldFlock, held);
  close(held);
  const int mine = open("/tmp/conformance.flock", O_RDWR);
  Is("flock", flock(mine, LOCK_EX), 0);
  Lasts("flock", Clock(CLOCK_MONOTONIC) - begun, seconds);
}

// A lock on a file that the child has opened itself, or has from its parent.
static void FcntlLock(int inherited) {
  const char* const path = inherited ? "/tmp/conformance.shared" : "/tmp/conformance.fcntl";
  int told[2];
  Need(pipe(told), "pipe");
  const int fd = open(path, O_CREAT | O_RDWR, 0600);
  struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  const double begun = Clock(CLOCK_MONOTONIC);
  if (fork() == 0) {
    const int mine = inherited ? fd : open(path, O_RDWR);
    Need(fcntl(mine, F_SETLK, &all), "F_SETLK");
    Write1(told[1]);
    const struct timespec request = Spec(seconds);
    nanosleep(&request, NULL);
    _exit(0);
  }
  char byte;
  Is("the child", read(told[0], &byte, 1), 1);
  Is("F_SETLKW", fcntl(fd, F_SETLKW, &all), 0);
  Lasts("F_SETLKW", Clock(CLOCK_MONOTONIC) - begun, seconds);
}
static void LockOwn(void) { FcntlLock(0); }
static void LockShared(void) { FcntlLock(1); }

static int SemaphoreSet(void) {
  const int set = semget(IPC_PRIVATE, 1, 0600);
  Need(set, "semget");
  return set;
}
static struct sembuf take = {0, -1, 0};
static void Semtimedop(void) {
  const int set = SemaphoreSet();
  const struct timespec timeout = Spec(seconds);
  const double begun = Clock(CLOCK_MONOTONIC);
  Failed("semtimedop", semtimedop(set, &take, 1, &timeout), EAGAIN);
  Lasts("semtimedop", Clock(CLOCK_MONOTONIC) - begun, seconds);
  semctl(set, 0, IPC_RMID);
}
static void Give(int set) { semctl(set, 0, SETVAL, 1); }
static void Semop(void) {
  const int set = SemaphoreSet();
  After(Give, set);
  Is("semop", semop(set, &take, 1), 0);
  semctl(set, 0, IPC_RMID);
}
struct Message {
  long type;
  char text[4];
};
static void Post(int queue) {
  struct Message message = {1, "abc"};
  msgsnd(queue, &message, sizeof message.text, 0);
}
static void Msgrcv(void) {
  const int queue = msgget(IPC_PRIVATE, 0600);
  Need(queue, "msgget");
  After(Post, queue);
  struct Message message;
  Is("msgrcv", msgrcv(queue, &message, sizeof message.text, 0, 0), 4);
  msgctl(queue, IPC_RMID, NULL);
}
static void MqReceive(void) {
  struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
  const mqd_t queue = mq_open("/conformance", O_CREAT | O_RDWR, 0600, &attributes);
  Need(queue, "mq_open");
  char message[8];
  const double begun = Clock(CLOCK_REALTIME);
  const struct timespec until = Spec(begun + seconds);
  Failed("mq_timedreceive", mq_timedreceive(queue, message, sizeof message, NULL, &until),
         ETIMEDOUT);
  Lasts("mq_timedreceive", Clock(CLOCK_REALTIME) - begun, seconds - 1e-6);
}

const struct Case kLocks[] = {
    {"futex", Futex},
    {"futex-until", FutexUntil},
    {"futex-woken", FutexWoken},
    {"futex-waitv", FutexWaitv},
    {"cond-real", CondReal},
    {"cond-monotonic", CondMonotonic},
    {"cond-signalled", CondSignalled},
    {"sem-timedwait", Semaphore},
    {"mutex-timedlock", MutexTimed},
    {"mutex-inheriting", MutexInheriting},
    {"flock", Flock},
    {"fcntl-setlkw", LockOwn},
    {"shared.lock", LockShared},
    {"sysv.semtimedop", Semtimedop},
    {"sysv.semop", Semop},
    {"sysv.msgrcv", Msgrcv},
    {"mq.receive", MqReceive},
    {NULL, NULL}};
