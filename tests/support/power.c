/* What a disk holds after a power cut: of every file and folder under POWER_ROOT, only what was synced.

   Preloaded into a program (LD_PRELOAD). When the program syncs a file, its bytes are kept in POWER_SHADOW; when it syncs
   a folder, its list of names. `tests/support/power.py` rebuilds the tree from these alone.
   POWER_CUT_AFTER=n kills the program as soon as its n-th sync is done, before it can act on it.

   Seen: fsync and fdatasync, called through the C library; so do Python and SQLite, linked dynamically or not.
   Not seen: sync, syncfs, msync, sync_file_range, O_SYNC and O_DSYNC, io_uring. What is not seen counts as not synced:
   a program that relied on them would look as if it lost more than it does, never less.
   Too kind in one way: what another thread writes to a file while it is being copied may count as synced.
   What a disk does within one file (torn sectors, pages that arrive in another order) is not modelled.

   A file is known by a mark (an extended attribute) and not by its inode number, which a later file may get again.
   No file under POWER_ROOT is opened for reading unless it has to be: closing it would drop the program's POSIX locks
   on it, and SQLite lives by these. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MARK_NAME "user.power.mark"
#define MARK_LENGTH 16
#define CHUNK_BYTES (1 << 16)
#define PATH_BYTES (PATH_MAX + 64)

typedef int (*sync_call)(int);

static const char *root, *shadow;
static long syncs_left;
static sync_call real_fsync, real_fdatasync;
/* One sync at a time: of two of the same file, the later one must be the one that is kept. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* A layer that cannot do its work must not look like one that found nothing. */
static void give_up(const char *doing) {
  dprintf(STDERR_FILENO, "power.c: %s: %s\n", doing, strerror(errno));
  abort();
}

__attribute__((constructor)) static void begin(void) {
  const char *cut_after = getenv("POWER_CUT_AFTER");
  root = getenv("POWER_ROOT");
  shadow = getenv("POWER_SHADOW");
  syncs_left = cut_after ? strtol(cut_after, NULL, 10) : 0;
  real_fsync = (sync_call)dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = (sync_call)dlsym(RTLD_NEXT, "fdatasync");
  if (!root || !shadow) give_up("POWER_ROOT and POWER_SHADOW are not set");
  if (!real_fsync || !real_fdatasync) give_up("the C library has no fsync");
}

static int is_under_root(const char *link) {
  char path[PATH_MAX + 1];
  size_t length = strlen(root);
  ssize_t got = readlink(link, path, PATH_MAX);
  if (got < 0) give_up("readlink");
  path[got] = 0;
  return !strncmp(path, root, length) && (path[length] == '/' || path[length] == 0);
}

/* Reads the mark of a file, giving it one if it has none; 0 when there is no such file any more. */
static int mark_of(const char *path, char mark[MARK_LENGTH + 1]) {
  uint64_t fresh;
  mark[MARK_LENGTH] = 0;
  for (;;) {
    if (getxattr(path, MARK_NAME, mark, MARK_LENGTH) == MARK_LENGTH) return 1;
    if (errno == ENOENT) return 0;
    if (errno != ENODATA) give_up("the file system takes no extended attributes");
    if (getrandom(&fresh, sizeof fresh, 0) != sizeof fresh) give_up("getrandom");
    snprintf(mark, MARK_LENGTH + 1, "%016llx", (unsigned long long)fresh);
    if (!setxattr(path, MARK_NAME, mark, MARK_LENGTH, XATTR_CREATE)) return 1;
    if (errno == ENOENT) return 0;
    if (errno != EEXIST) give_up("the file system takes no extended attributes");
  }
}

/* A descriptor that can be read: the program's own if it can, else a second one. */
static int readable(int fd, const char *link) {
  return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY ? open(link, O_RDONLY | O_CLOEXEC) : fd;
}

static void write_all(int to, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t done = write(to, bytes, count);
    if (done < 0) give_up("write");
    bytes += done;
    count -= done;
  }
}

/* Brings the copy up to date, in place, where it differs: whole copies would flood the disk. A kernel may write any
   part of a file before its sync is done, so what a kill leaves half way is a state that a disk can be in. */
static void copy_bytes(int fd, const char *link, int to) {
  static char now[CHUNK_BYTES], before[CHUNK_BYTES]; /* under `turn` */
  int from = readable(fd, link);
  off_t offset = 0;
  ssize_t got;
  if (from < 0) give_up("open");
  while ((got = pread(from, now, sizeof now, offset)) > 0) {
    if (pread(to, before, got, offset) != got || memcmp(now, before, got))
      if (pwrite(to, now, got, offset) != got) give_up("pwrite");
    offset += got;
  }
  if (got < 0) give_up("pread");
  if (ftruncate(to, offset)) give_up("ftruncate");
  if (from != fd) close(from);
}

static void keep_file(int fd, const char *link, const struct stat *found, const char *kept) {
  int to = open(kept, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (to < 0) give_up(kept);
  copy_bytes(fd, link, to);
  if (fchmod(to, found->st_mode & 07777)) give_up("fchmod");
  close(to);
}

/* One entry: `f` or `d`, the mark, the name, a NUL. */
static void write_entry(int folder, const char *link, const char *name, int to) {
  char path[PATH_BYTES + NAME_MAX + 2], mark[MARK_LENGTH + 1], line[NAME_MAX + MARK_LENGTH + 3];
  struct stat found;
  if (fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW)) {
    if (errno == ENOENT) return;
    give_up("fstatat");
  }
  snprintf(path, sizeof path, "%s/%s", link, name);
  if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) return;
  if (!mark_of(path, mark)) return;
  snprintf(line, sizeof line, "%c%s%s", S_ISDIR(found.st_mode) ? 'd' : 'f', mark, name);
  write_all(to, line, strlen(line) + 1);
}

static void list_names(int fd, const char *link, int to) {
  int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = own < 0 ? NULL : fdopendir(own);
  struct dirent *entry;
  if (!folder) give_up("opendir");
  while ((entry = readdir(folder)))
    if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) write_entry(own, link, entry->d_name, to);
  closedir(folder);
}

static void keep_folder(int fd, const char *link, const char *kept) {
  char draft[PATH_BYTES + 32];
  int to;
  snprintf(draft, sizeof draft, "%s.%d", kept, getpid());
  to = open(draft, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (to < 0) give_up(draft);
  list_names(fd, link, to);
  close(to);
  if (rename(draft, kept)) give_up(draft);
}

/* Keeps first and syncs then: what is written once the sync is under way is no part of it. */
static int keep_and_sync(int fd, const char *link, const struct stat *found, sync_call real) {
  char mark[MARK_LENGTH + 1], kept[PATH_BYTES];
  int result;
  if (!mark_of(link, mark)) give_up("a file that is open is not there");
  snprintf(kept, sizeof kept, "%s/%s", shadow, mark);
  if (S_ISDIR(found->st_mode))
    keep_folder(fd, link, kept);
  else
    keep_file(fd, link, found, kept);
  result = real(fd);
  if (!result && syncs_left && --syncs_left == 0) kill(getpid(), SIGKILL);
  return result;
}

static int is_kept(int fd, const char *link, struct stat *found) {
  if (fstat(fd, found) || found->st_nlink == 0) return 0;
  return (S_ISREG(found->st_mode) || S_ISDIR(found->st_mode)) && is_under_root(link);
}

static int synced(int fd, sync_call real) {
  char link[64];
  struct stat found;
  int result;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (!is_kept(fd, link, &found)) return real(fd);
  pthread_mutex_lock(&turn);
  result = keep_and_sync(fd, link, &found, real);
  pthread_mutex_unlock(&turn);
  return result;
}

int fsync(int fd) { return synced(fd, real_fsync); }

int fdatasync(int fd) { return synced(fd, real_fdatasync); }
