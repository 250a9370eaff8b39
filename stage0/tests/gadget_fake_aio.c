#include "gadget_fake_aio.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gadget/kernel.h"

struct fake_aio fake_aio;

int kernel_aio_setup(unsigned events, aio_context_t *context)
{
	fake_aio.most = events;
	*context = 1;
	return 0;
}

int kernel_aio_submit(aio_context_t context, long count, struct iocb **blocks)
{
	(void)context;
	if (fake_aio.refuse) {
		int error = fake_aio.refuse;

		fake_aio.refuse = 0;
		return error;
	}
	/* The kernel may take fewer than it was given. */
	if (count > 3)
		count = 3;
	for (long i = 0; i < count; i++)
		fake_aio.queued[fake_aio.count++] = blocks[i];
	return (int)count;
}

int kernel_aio_cancel(aio_context_t context, struct iocb *block)
{
	(void)context;
	for (unsigned i = 0; i < fake_aio.count; i++) {
		if (fake_aio.queued[i] == block) {
			fake_aio_end(i, -104);
			return -115;
		}
	}
	return -22;
}

int kernel_aio_events(aio_context_t context, long most, struct io_event *into)
{
	int count = 0;

	(void)context;
	while (count < most && (unsigned)count < fake_aio.ended) {
		into[count] = fake_aio.events[count];
		count++;
	}
	fake_aio.ended -= (unsigned)count;
	memmove(fake_aio.events, fake_aio.events + count,
		fake_aio.ended * sizeof(*fake_aio.events));
	return count;
}

void fake_aio_end(unsigned index, int64_t result)
{
	struct iocb *block = fake_aio.queued[index];

	fake_aio.events[fake_aio.ended++] =
		(struct io_event){ .data = block->aio_data, .obj = (uintptr_t)block, .res = result };
	fake_aio.count--;
	memmove(fake_aio.queued + index, fake_aio.queued + index + 1,
		(fake_aio.count - index) * sizeof(*fake_aio.queued));
}

int fake_aio_first(int fd)
{
	for (unsigned i = 0; i < fake_aio.count; i++) {
		if ((int)fake_aio.queued[i]->aio_fildes == fd)
			return (int)i;
	}
	return -1;
}
