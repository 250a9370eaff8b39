/* Names of errors, and what they mean to a person. */
#include "text.h"

#include <errno.h>
#include <stddef.h>

struct meaning {
	int number;
	const char *name;
	const char *words;
};

#define MEANS(name, words) { name, #name, words }

static const struct meaning MEANINGS[] = {
	MEANS(EPERM, "not permitted"),
	MEANS(ENOENT, "no such file or folder"),
	MEANS(ESRCH, "no such process"),
	MEANS(EINTR, "interrupted"),
	MEANS(EIO, "input or output failed"),
	MEANS(ENXIO, "no such device or address"),
	MEANS(E2BIG, "too many arguments"),
	MEANS(ENOEXEC, "not a program or module for this kernel"),
	MEANS(EBADF, "the file is not open for this"),
	MEANS(ECHILD, "a process that is needed has ended"),
	MEANS(EAGAIN, "not ready now"),
	MEANS(ENOMEM, "out of memory"),
	MEANS(EACCES, "access denied"),
	MEANS(EFAULT, "bad address"),
	MEANS(ENOTBLK, "not a block device"),
	MEANS(EBUSY, "in use"),
	MEANS(EEXIST, "exists already"),
	MEANS(EXDEV, "on another file system"),
	MEANS(ENODEV, "no such device or file system"),
	MEANS(ENOTDIR, "not a folder"),
	MEANS(EISDIR, "is a folder"),
	MEANS(EINVAL, "refused as invalid"),
	MEANS(ENFILE, "too many open files in the system"),
	MEANS(EMFILE, "too many open files"),
	MEANS(ENOTTY, "not possible on this file"),
	MEANS(ETXTBSY, "program is being written"),
	MEANS(EFBIG, "too large"),
	MEANS(ENOSPC, "no space left"),
	MEANS(ESPIPE, "cannot seek"),
	MEANS(EROFS, "read-only file system"),
	MEANS(EMLINK, "too many links"),
	MEANS(EPIPE, "nobody reads it"),
	MEANS(ERANGE, "out of range"),
	MEANS(ENAMETOOLONG, "name too long"),
	MEANS(ENOSYS, "the kernel does not have this call"),
	MEANS(ENOTEMPTY, "folder is not empty"),
	MEANS(ELOOP, "leads in a circle"),
	MEANS(ENODATA, "no data"),
	MEANS(ETIME, "took too long"),
	MEANS(EPROTO, "protocol error"),
	MEANS(EBADMSG, "damaged data"),
	MEANS(EOVERFLOW, "too large for its field"),
	MEANS(ELIBBAD, "a library it needs is damaged"),
	MEANS(EILSEQ, "malformed text"),
	MEANS(EOPNOTSUPP, "not supported"),
	MEANS(ENOBUFS, "no buffer space"),
	MEANS(ETIMEDOUT, "timed out"),
	MEANS(ESHUTDOWN, "the USB connection is down"),
	MEANS(ECONNRESET, "connection reset"),
	MEANS(ECANCELED, "cancelled"),
	MEANS(ENOKEY, "the kernel has no key for its signature"),
	MEANS(EKEYREJECTED, "its signature was rejected"),
	MEANS(EUCLEAN, "damaged file system"),
	MEANS(EREMOTEIO, "input or output of the other side failed"),
};

static const struct meaning *find(int number)
{
	for (unsigned i = 0; i < sizeof(MEANINGS) / sizeof(MEANINGS[0]); i++) {
		if (MEANINGS[i].number == number || MEANINGS[i].number == -number)
			return &MEANINGS[i];
	}
	return NULL;
}

const char *errno_name(int number)
{
	const struct meaning *meaning = find(number);

	return meaning ? meaning->name : "unknown error";
}

const char *errno_meaning(int number)
{
	const struct meaning *meaning = find(number);

	return meaning ? meaning->words : "unknown error";
}
