/*
 * A disk and a clock that fail, between a broker and its C library (LD_PRELOAD).
 *
 * It watches the files of one directory (TORTURE_DATA) and does to them what a machine may do, as a page of memory says
 * that it shares with the program that tortures (TORTURE_CONTROL, a file; layout: struct control, control-page.ts, and
 * counters.ts for what is counted):
 *
 * - Power is cut. What was written and not synced is remembered, with what stood there before; so are names that were
 *   made, renamed and removed since their directory was synced. At the cut a part of that, drawn by chance, is taken
 *   back: data by sectors of 512 bytes, names from the last back to any, as a file system with a journal of its metadata
 *   does. Writes under way, of all threads, leave some of their sectors, any of them and not the first ones. Then the
 *   process is gone. What a write to an O_DSYNC file or a sync has returned for is never taken back.
 * - The disk is full: what makes a file longer than there is room for is written in part, or refused with ENOSPC; what
 *   lies within a file goes on. Removing files makes room.
 * - Writes, syncs and reads fail with EIO; writes and syncs take long; the wall clock is set forth and back.
 * - The disk lies: from then on it says that things are synced, and with the power all of that is gone, to the last byte and
 *   name: what is left is what there was when it began to lie.
 *
 * What it has done it counts, in the same page: a fault that does nothing must not pass for one that was withstood.
 *
 * fsync of a file does not make its name durable here: only that of the directory does, as POSIX has it. Memory-mapped
 * files are not watched. Of paths only absolute ones directly in the directory are, which is how the broker opens them.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SECTOR = 512, BLOCK = 4096, FD_MAX = 65536, PATH_BYTES = 512 };

struct control {
  _Atomic int32_t cut_after_ops;    /*  0 counts down with each write, sync and change of names; the one that reaches 0 is cut */
  _Atomic int32_t cut_now;          /*  4 */
  _Atomic int32_t eio_write_after;  /*  8 counts down with writes; from 1 on all writes and syncs fail */
  _Atomic int32_t eio_read_per_64k; /* 12 of 65536 reads, how many fail */
  _Atomic int32_t slow_write_us;    /* 16 */
  _Atomic int32_t slow_read_us;     /* 20 */
  _Atomic int64_t clock_offset_ms;  /* 24 */
  _Atomic int64_t room_bytes;       /* 32 -1: no end */
  _Atomic int32_t seed;             /* 40 */
  _Atomic int32_t lies;             /* 44 the disk says that things are synced, and they are not */
  /* What has been done, to be read by the other side. */
  _Atomic int64_t writes;           /* 48 */
  _Atomic int64_t refused;          /* 56 with ENOSPC */
  _Atomic int64_t failed_writes;    /* 64 with EIO */
  _Atomic int64_t failed_reads;     /* 72 with EIO */
  _Atomic int64_t reverted_sectors; /* 80 at cuts, the torn write's included */
  _Atomic int64_t reverted_names;   /* 88 at cuts */
  _Atomic int64_t syncs;            /* 96 */
  _Atomic int64_t slowed;           /* 104 writes, syncs and reads that were held up */
  _Atomic int64_t clock_readings;   /* 112 of the wall clock, while it was set to another time */
  _Atomic int64_t room_answers;     /* 120 to who asked how much room there is, while there was an end of it */
};

static struct control *control;
static char data[PATH_BYTES], grave[PATH_BYTES];
static size_t data_length;

/* ---- of each descriptor ---- */

struct watched {
  _Atomic int is_file, is_directory, is_synced, is_direct;
  dev_t dev;
  ino_t ino;
};
static struct watched watched[FD_MAX];

/* Held for reading by who touches a file, for writing by who cuts the power. */
static pthread_rwlock_t power = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t books = PTHREAD_MUTEX_INITIALIZER;

/* ---- what can be taken back ---- */

/*
 * A description of its own of a file of which something may be taken back: the one at hand may be closed, and be for writing only.
 * One for each file, since a disk that lies has thousands of writes to take back.
 */
struct handle {
  struct handle *before;
  dev_t dev;
  ino_t ino;
  int fd;
  int64_t users;
};
static struct handle *handles;

struct unsynced {
  struct unsynced *before;
  int64_t serial;
  int is_under_way; /* a write to an O_DSYNC file, which has not returned */
  struct handle *file;
  int64_t size_before;
  int64_t position;
  size_t length; /* of what stood there before */
  unsigned char bytes[];
};
static struct unsynced *last_unsynced;
static int64_t serials;

enum change { CREATED, RENAMED, REMOVED };
struct change_of_names {
  struct change_of_names *before;
  enum change kind;
  char name[PATH_BYTES], other[PATH_BYTES], kept[PATH_BYTES]; /* kept: where a file is that the change took away; may be empty */
};
static struct change_of_names *last_change;
static int64_t graves;

/* ---- the C library's own ---- */

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)
REAL(int, open64, const char *, int, ...);
REAL(int, close, int);
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, pread64, int, void *, size_t, off64_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, ftruncate64, int, off64_t);
REAL(int, rename, const char *, const char *);
REAL(int, unlink, const char *);
REAL(int, link, const char *, const char *);
REAL(int, clock_gettime, clockid_t, struct timespec *);
REAL(int, gettimeofday, struct timeval *, void *);
REAL(int, statfs64, const char *, struct statfs64 *);

static void find_real(void) {
#define FIND(name) if (!real_##name) real_##name = dlsym(RTLD_NEXT, #name)
  FIND(open64); FIND(close); FIND(pwrite64); FIND(write); FIND(pread64); FIND(fsync); FIND(fdatasync);
  FIND(ftruncate64); FIND(rename); FIND(unlink); FIND(link); FIND(clock_gettime); FIND(gettimeofday); FIND(statfs64);
}

/* ---- chance: splitmix64, so that a seed draws the same ---- */

static uint64_t chance_state;
static uint64_t chance(uint64_t below) {
  uint64_t z = (chance_state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return (z ^ (z >> 31)) % below;
}

/* ---- the cut ---- */

static void revert_data(void) {
  uint64_t share = control->lies || chance(3) == 0 ? 100 : chance(101);
  for (struct unsynced *each = last_unsynced; each; each = each->before) {
    for (size_t at = 0; at < each->length; at += SECTOR) {
      size_t length = each->length - at < SECTOR ? each->length - at : SECTOR;
      if (chance(100) >= share) continue;
      real_pwrite64(each->file->fd, each->bytes + at, length, each->position + (int64_t)at);
      control->reverted_sectors++;
    }
    struct stat64 now;
    /* What has made the file longer behind a write under way may have returned. */
    if (each->is_under_way) continue;
    if (fstat64(each->file->fd, &now) == 0 && now.st_size > each->size_before && chance(100) < share)
      real_ftruncate64(each->file->fd, each->size_before);
  }
}

static void revert_names(void) {
  int count = 0;
  for (struct change_of_names *each = last_change; each; each = each->before) count++;
  int back = count == 0 ? 0 : control->lies || chance(2) ? count : (int)chance((uint64_t)count + 1);
  for (struct change_of_names *each = last_change; each && back > 0; each = each->before, back--) {
    if (each->kind == CREATED) real_unlink(each->name);
    if (each->kind == RENAMED) real_rename(each->other, each->name);
    if (each->kept[0]) real_rename(each->kept, each->kind == RENAMED ? each->other : each->name);
    control->reverted_names++;
  }
}

static struct handle *handle_of(int fd, struct watched *file);

/* A write under way: of its sectors any part is there, the others are as before. */
static void tear(int fd, const void *bytes, size_t length, int64_t position) {
  uint64_t share = chance(4) == 0 ? 100 : chance(101);
  /* By sectors, which may be less than what a disk takes past the cache. */
  if (watched[fd].is_direct) fd = handle_of(fd, &watched[fd])->fd;
  for (size_t at = 0; at < length; at += SECTOR) {
    size_t step = length - at < SECTOR ? length - at : SECTOR;
    if (chance(100) < share) real_pwrite64(fd, (const char *)bytes + at, step, position + (int64_t)at);
    else control->reverted_sectors++;
  }
}

/* Called without any lock. The caller's own write is torn, and so are those that have not returned to their callers. */
static void cut_power(int fd, const void *bytes, size_t length, int64_t position) {
  pthread_rwlock_wrlock(&power);
  chance_state = (uint64_t)control->seed;
  if (bytes && !control->lies) tear(fd, bytes, length, position);
  revert_data();
  revert_names();
  control->cut_after_ops = 0;
  control->cut_now = 0;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static int is_cut_due(void) {
  return control && control->cut_after_ops > 0 && atomic_fetch_sub(&control->cut_after_ops, 1) == 1;
}

static void *watch(void *unused) {
  (void)unused;
  for (;;) {
    if (control->cut_now) cut_power(-1, NULL, 0, 0);
    usleep(2000);
  }
  return NULL;
}

__attribute__((constructor)) static void begin(void) {
  find_real();
  const char *page = getenv("TORTURE_CONTROL"), *directory = getenv("TORTURE_DATA"), *aside = getenv("TORTURE_GRAVE");
  if (!page || !directory || !aside) return;
  int fd = real_open64(page, O_RDWR | O_CLOEXEC);
  if (fd < 0) { perror("torture: the control page"); _exit(99); }
  void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  real_close(fd);
  if (mapped == MAP_FAILED) { perror("torture: the control page"); _exit(99); }
  snprintf(data, sizeof data, "%s/", directory);
  data_length = strlen(data);
  snprintf(grave, sizeof grave, "%s", aside);
  control = mapped;
  pthread_t thread;
  pthread_create(&thread, NULL, watch, NULL);
  pthread_detach(thread);
}

/* ---- paths and descriptors ---- */

static int is_in(const char *path) {
  return control && strncmp(path, data, data_length) == 0 && strlen(path) < PATH_BYTES && !strchr(path + data_length, '/');
}

static int is_directory(const char *path) {
  return control && strlen(path) >= data_length - 1 && strncmp(path, data, data_length - 1) == 0 &&
         strspn(path + data_length - 1, "/") == strlen(path + data_length - 1);
}

static struct watched *file_of(int fd) {
  return control && fd >= 0 && fd < FD_MAX && watched[fd].is_file ? &watched[fd] : NULL;
}

static void remember_change(enum change kind, const char *name, const char *other, const char *kept) {
  struct change_of_names *change = calloc(1, sizeof *change);
  change->kind = kind;
  snprintf(change->name, PATH_BYTES, "%s", name);
  snprintf(change->other, PATH_BYTES, "%s", other);
  snprintf(change->kept, PATH_BYTES, "%s", kept);
  change->before = last_change;
  last_change = change;
}

/* Keeps a file that a change of names takes away. With `books` held. */
static void keep(const char *path, char *kept) {
  kept[0] = 0;
  char name[PATH_BYTES * 2];
  snprintf(name, sizeof name, "%s/%d-%lld", grave, getpid(), (long long)graves++);
  if (strlen(name) < PATH_BYTES && real_link(path, name) == 0) snprintf(kept, PATH_BYTES, "%s", name);
}

static void names_are_synced(void) {
  if (control->lies) return;
  pthread_mutex_lock(&books);
  while (last_change) {
    struct change_of_names *change = last_change;
    last_change = change->before;
    if (change->kept[0]) real_unlink(change->kept);
    free(change);
  }
  pthread_mutex_unlock(&books);
}

static int open_watched(const char *path, int flags, mode_t mode) {
  if (control && is_directory(path)) {
    int fd = real_open64(path, flags, mode);
    if (fd >= 0 && fd < FD_MAX) watched[fd].is_directory = 1;
    return fd;
  }
  if (!is_in(path)) return real_open64(path, flags, mode);
  if (is_cut_due()) cut_power(-1, NULL, 0, 0);
  pthread_rwlock_rdlock(&power);
  pthread_mutex_lock(&books);
  struct stat64 found;
  int was_there = stat64(path, &found) == 0;
  int fd = real_open64(path, flags, mode);
  if (fd >= 0 && !was_there) remember_change(CREATED, path, "", "");
  int error = errno;
  if (fd >= 0 && fd < FD_MAX && fstat64(fd, &found) == 0) {
    watched[fd].dev = found.st_dev;
    watched[fd].ino = found.st_ino;
    watched[fd].is_synced = (flags & (O_DSYNC | O_SYNC)) != 0;
    watched[fd].is_direct = (flags & O_DIRECT) != 0;
    watched[fd].is_file = 1;
  }
  pthread_mutex_unlock(&books);
  pthread_rwlock_unlock(&power);
  errno = error;
  return fd;
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  find_real();
  return open_watched(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  find_real();
  return open_watched(path, flags | O_LARGEFILE, mode);
}

int close(int fd) {
  find_real();
  if (fd >= 0 && fd < FD_MAX) watched[fd].is_file = watched[fd].is_directory = 0;
  return real_close(fd);
}

/* libuv closes files by the number of the call, past the C library's function; a descriptor that it uses again is not ours. */
long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (!real) real = dlsym(RTLD_NEXT, "syscall");
  va_list rest;
  va_start(rest, number);
  long words[6];
  for (int i = 0; i < 6; i++) words[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_close && words[0] >= 0 && words[0] < FD_MAX) watched[words[0]].is_file = watched[words[0]].is_directory = 0;
  return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

/* ---- writing ---- */

/* With `books` held, as are give_back(), remember_bytes() and forget(). */
static struct handle *handle_of(int fd, struct watched *file) {
  for (struct handle *each = handles; each; each = each->before) {
    if (each->dev != file->dev || each->ino != file->ino) continue;
    each->users++;
    return each;
  }
  struct handle *handle = calloc(1, sizeof *handle);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  handle->fd = real_open64(path, O_RDWR | O_CLOEXEC);
  handle->dev = file->dev;
  handle->ino = file->ino;
  handle->users = 1;
  handle->before = handles;
  return handles = handle;
}

static void give_back(struct handle *handle) {
  if (--handle->users > 0) return;
  struct handle **at = &handles;
  while (*at != handle) at = &(*at)->before;
  *at = handle->before;
  real_close(handle->fd);
  free(handle);
}

static struct unsynced *remember_bytes(int fd, struct watched *file, size_t length, int64_t position) {
  /* Where there was nothing, a write under way may leave zeros. */
  struct unsynced *entry = calloc(1, sizeof *entry + length);
  entry->serial = ++serials;
  struct stat64 now;
  fstat64(fd, &now);
  entry->file = handle_of(fd, file);
  entry->size_before = now.st_size;
  entry->position = position;
  ssize_t had = real_pread64(entry->file->fd, entry->bytes, length, position);
  entry->length = had < 0 ? 0 : (size_t)had;
  entry->before = last_unsynced;
  last_unsynced = entry;
  return entry;
}

static void forget(struct unsynced **at) {
  struct unsynced *entry = *at;
  *at = entry->before;
  give_back(entry->file);
  free(entry);
}

static int64_t last_serial(void) {
  pthread_mutex_lock(&books);
  int64_t last = serials;
  pthread_mutex_unlock(&books);
  return last;
}

/* What was written up to then; other syncs may have ended meanwhile. */
static void data_is_synced(struct watched *file, int64_t upto) {
  if (control->lies) return;
  pthread_mutex_lock(&books);
  for (struct unsynced **at = &last_unsynced; *at;) {
    struct unsynced *each = *at;
    int is_meant = each->serial <= upto && !each->is_under_way && each->file->dev == file->dev && each->file->ino == file->ino;
    if (is_meant) forget(at);
    else at = &each->before;
  }
  pthread_mutex_unlock(&books);
}

/* A write to an O_DSYNC file returns. A cut that waited for it came before, and found it under way. */
static void write_returns(struct unsynced *entry) {
  pthread_rwlock_rdlock(&power);
  pthread_mutex_lock(&books);
  struct unsynced **at = &last_unsynced;
  while (*at != entry) at = &(*at)->before;
  forget(at);
  pthread_mutex_unlock(&books);
  pthread_rwlock_unlock(&power);
}

static int is_disk_dead(int counts) {
  int32_t left = control->eio_write_after;
  if (left == 0) return 0;
  if (left == 1) return 1;
  if (counts) atomic_compare_exchange_strong(&control->eio_write_after, &left, left - 1);
  return 0;
}

static void slow_down(int32_t us) {
  if (us <= 0) return;
  control->slowed++;
  usleep((useconds_t)us);
}

/* A file has whole blocks of a disk, so that one of a few bytes leaves room for another such. */
static int64_t in_blocks(int64_t bytes) {
  return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static ssize_t write_watched(int fd, struct watched *file, const void *bytes, size_t length, int64_t position) {
  slow_down(control->slow_write_us);
  if (is_cut_due()) cut_power(fd, bytes, length, position);
  struct unsynced *under_way = NULL;
  pthread_rwlock_rdlock(&power);
  ssize_t result = -1;
  control->writes++;
  if (is_disk_dead(1)) {
    /* Some of it may have arrived. */
    real_pwrite64(fd, bytes, length / SECTOR / 2 * SECTOR, position);
    control->failed_writes++;
    errno = EIO;
    goto done;
  }
  pthread_mutex_lock(&books);
  struct stat64 now;
  fstat64(fd, &now);
  int64_t end = position + (int64_t)length;
  int64_t has = in_blocks(now.st_size), grows = in_blocks(end) - has;
  int64_t room = control->room_bytes - control->room_bytes % BLOCK;
  int is_full = 0;
  if (control->room_bytes >= 0 && grows > 0) {
    int64_t taken = grows < room ? grows : room;
    control->room_bytes -= taken;
    if (taken < grows) {
      control->refused++;
      is_full = has + taken <= position;
      length = is_full ? 0 : (size_t)(has + taken - position);
    }
  }
  if (!is_full) {
    struct unsynced *entry = remember_bytes(fd, file, length, position);
    if (file->is_synced && !control->lies) {
      under_way = entry;
      entry->is_under_way = 1;
      entry->length = length;
    }
  }
  pthread_mutex_unlock(&books);
  if (is_full) errno = ENOSPC;
  else result = real_pwrite64(fd, bytes, length, position);
done:;
  int error = errno;
  pthread_rwlock_unlock(&power);
  if (under_way) write_returns(under_way);
  errno = error;
  return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t position) {
  find_real();
  struct watched *file = file_of(fd);
  return file ? write_watched(fd, file, bytes, length, position) : real_pwrite64(fd, bytes, length, position);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  find_real();
  struct watched *file = file_of(fd);
  if (!file) return real_write(fd, bytes, length);
  int64_t position = lseek64(fd, 0, SEEK_CUR);
  ssize_t written = write_watched(fd, file, bytes, length, position);
  if (written > 0) lseek64(fd, position + written, SEEK_SET);
  return written;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t position) {
  find_real();
  ssize_t sum = 0;
  for (int i = 0; i < count; i++) {
    if (parts[i].iov_len == 0) continue;
    ssize_t written = pwrite64(fd, parts[i].iov_base, parts[i].iov_len, position + sum);
    if (written < 0) return sum > 0 ? sum : -1;
    sum += written;
    if ((size_t)written < parts[i].iov_len) break;
  }
  return sum;
}

int ftruncate64(int fd, off64_t length) {
  find_real();
  struct watched *file = file_of(fd);
  if (!file) return real_ftruncate64(fd, length);
  if (is_cut_due()) cut_power(-1, NULL, 0, 0);
  pthread_rwlock_rdlock(&power);
  pthread_mutex_lock(&books);
  struct stat64 now;
  fstat64(fd, &now);
  if (now.st_size > length) remember_bytes(fd, file, (size_t)(now.st_size - length), length);
  if (control->room_bytes >= 0) control->room_bytes += in_blocks(now.st_size) - in_blocks(length);
  pthread_mutex_unlock(&books);
  int result = real_ftruncate64(fd, length);
  pthread_rwlock_unlock(&power);
  return result;
}

static int sync_watched(int fd, int (*real)(int)) {
  if (control && fd >= 0 && fd < FD_MAX && watched[fd].is_directory) {
    if (is_cut_due()) cut_power(-1, NULL, 0, 0);
    pthread_rwlock_rdlock(&power);
    control->syncs++;
    int result = -1;
    if (is_disk_dead(0)) errno = EIO;
    else if ((result = real(fd)) == 0) names_are_synced();
    pthread_rwlock_unlock(&power);
    return result;
  }
  struct watched *file = file_of(fd);
  if (!file) return real(fd);
  slow_down(control->slow_write_us);
  if (is_cut_due()) cut_power(-1, NULL, 0, 0);
  pthread_rwlock_rdlock(&power);
  control->syncs++;
  int64_t upto = last_serial();
  int result = -1;
  if (is_disk_dead(0)) {
    control->failed_writes++;
    errno = EIO;
  } else if ((result = real(fd)) == 0) data_is_synced(file, upto);
  pthread_rwlock_unlock(&power);
  return result;
}

int fsync(int fd) {
  find_real();
  return sync_watched(fd, real_fsync);
}

int fdatasync(int fd) {
  find_real();
  return sync_watched(fd, real_fdatasync);
}

/* ---- names ---- */

static void give_room_back(const char *path) {
  struct stat64 found;
  if (control->room_bytes >= 0 && stat64(path, &found) == 0 && found.st_nlink == 1)
    control->room_bytes += in_blocks(found.st_size);
}

int rename(const char *from, const char *to) {
  find_real();
  if (!control || !is_in(from) || !is_in(to)) return real_rename(from, to);
  if (is_cut_due()) cut_power(-1, NULL, 0, 0);
  pthread_rwlock_rdlock(&power);
  pthread_mutex_lock(&books);
  char kept[PATH_BYTES];
  give_room_back(to);
  keep(to, kept);
  int result = real_rename(from, to), error = errno;
  if (result == 0) remember_change(RENAMED, from, to, kept);
  pthread_mutex_unlock(&books);
  pthread_rwlock_unlock(&power);
  errno = error;
  return result;
}

int unlink(const char *path) {
  find_real();
  if (!control || !is_in(path)) return real_unlink(path);
  if (is_cut_due()) cut_power(-1, NULL, 0, 0);
  pthread_rwlock_rdlock(&power);
  pthread_mutex_lock(&books);
  char kept[PATH_BYTES];
  give_room_back(path);
  keep(path, kept);
  int result = real_unlink(path), error = errno;
  if (result == 0) remember_change(REMOVED, path, "", kept);
  pthread_mutex_unlock(&books);
  pthread_rwlock_unlock(&power);
  errno = error;
  return result;
}

int unlinkat(int directory, const char *path, int flags) {
  find_real();
  if (flags == 0 && path[0] == '/') return unlink(path);
  static int (*real)(int, const char *, int);
  if (!real) real = dlsym(RTLD_NEXT, "unlinkat");
  return real(directory, path, flags);
}

int link(const char *from, const char *to) {
  find_real();
  if (!control || !is_in(to)) return real_link(from, to);
  pthread_rwlock_rdlock(&power);
  pthread_mutex_lock(&books);
  int result = real_link(from, to), error = errno;
  if (result == 0) remember_change(CREATED, to, "", "");
  pthread_mutex_unlock(&books);
  pthread_rwlock_unlock(&power);
  errno = error;
  return result;
}

/* ---- reading ---- */

ssize_t pread64(int fd, void *bytes, size_t length, off64_t position) {
  find_real();
  if (file_of(fd)) {
    slow_down(control->slow_read_us);
    static _Atomic uint32_t turn;
    uint32_t drawn = (atomic_fetch_add(&turn, 1) * 2654435761u) >> 16;
    if (control->eio_read_per_64k > 0 && drawn < (uint32_t)control->eio_read_per_64k) {
      control->failed_reads++;
      errno = EIO;
      return -1;
    }
  }
  return real_pread64(fd, bytes, length, position);
}

int statfs64(const char *path, struct statfs64 *found) {
  find_real();
  int result = real_statfs64(path, found);
  if (result != 0 || !control || control->room_bytes < 0 || strncmp(path, data, data_length - 1) != 0) return result;
  found->f_bavail = found->f_bfree = (uint64_t)control->room_bytes / (uint64_t)found->f_bsize;
  control->room_answers++;
  return result;
}

/* ---- the wall clock ---- */

int clock_gettime(clockid_t clock, struct timespec *now) {
  find_real();
  int result = real_clock_gettime(clock, now);
  if (result == 0 && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    int64_t offset = control->clock_offset_ms;
    if (offset != 0) control->clock_readings++;
    now->tv_sec += offset / 1000;
    now->tv_nsec += offset % 1000 * 1000000;
    if (now->tv_nsec >= 1000000000) now->tv_sec++, now->tv_nsec -= 1000000000;
    if (now->tv_nsec < 0) now->tv_sec--, now->tv_nsec += 1000000000;
  }
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  find_real();
  struct timespec found;
  if (!control) return real_gettimeofday(now, zone);
  int result = clock_gettime(CLOCK_REALTIME, &found);
  now->tv_sec = found.tv_sec;
  now->tv_usec = found.tv_nsec / 1000;
  return result;
}

time_t time(time_t *at) {
  struct timespec found = {0};
  clock_gettime(CLOCK_REALTIME, &found);
  if (at) *at = found.tv_sec;
  return found.tv_sec;
}
