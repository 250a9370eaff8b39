/*
 * malloc over memory.grow.
 *
 * The heap is one run of chunks from __heap_base to the end of memory. A chunk starts 8 bytes before
 * an address aligned to 16 with its own size and that of the chunk before, so both neighbours are
 * found in one step and freed neighbours merge at once. Free chunks hang in lists by size class,
 * eight to a power of two; two levels of bitmaps find the first class that fits. Every operation
 * takes constant time but for a scan of a few chunks of the request's own class.
 *
 * Linear memory never shrinks: what one call needed stays with the instance. FB_MEMORY_LIMIT caps it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../fastboop.h"

enum {
	PAGE = 65536,
	GROW_PAGES = 16,     /* least growth: 1 MiB */
	HEADER = 8,
	IN_USE = 1,
	CLASS_BITS = 3,      /* eight classes to a power of two */
	SCAN = 8,            /* chunks of the request's own class that are tried before a larger class */
};

struct chunk {
	uint32_t size_before; /* of the chunk below, 0 for the first */
	uint32_t size;        /* header included, a multiple of 16; bit 0 says in use */
	struct chunk *next;   /* only while free: neighbours in the list of its class */
	struct chunk *previous;
};

extern uint8_t __heap_base;

static struct chunk *lists[32][1 << CLASS_BITS];
static uint32_t powers;                   /* powers of two that have a free chunk */
static uint8_t classes[32];               /* and their classes */
static struct chunk *end;                 /* sentinel: size 0, in use */

static uint32_t size_of(const struct chunk *chunk) { return chunk->size & ~(uint32_t)IN_USE; }
static int is_free(const struct chunk *chunk) { return !(chunk->size & IN_USE); }

static struct chunk *at(const struct chunk *chunk, int32_t distance)
{
	return (struct chunk *)((uintptr_t)chunk + (uintptr_t)distance);
}

static uint32_t power_of(uint32_t size) { return 31 - (uint32_t)__builtin_clz(size); }

static uint32_t class_of(uint32_t size)
{
	return (size >> (power_of(size) - CLASS_BITS)) & ((1 << CLASS_BITS) - 1);
}

static void insert(struct chunk *chunk)
{
	uint32_t size = size_of(chunk), power = power_of(size), class = class_of(size);

	chunk->size = size;
	chunk->previous = NULL;
	chunk->next = lists[power][class];
	if (chunk->next)
		chunk->next->previous = chunk;
	lists[power][class] = chunk;
	powers |= 1u << power;
	classes[power] |= (uint8_t)(1u << class);
	at(chunk, (int32_t)size)->size_before = size;
}

static void take_out(struct chunk *chunk)
{
	uint32_t size = size_of(chunk), power = power_of(size), class = class_of(size);

	if (chunk->next)
		chunk->next->previous = chunk->previous;
	if (chunk->previous) {
		chunk->previous->next = chunk->next;
		return;
	}
	lists[power][class] = chunk->next;
	if (chunk->next)
		return;
	classes[power] &= (uint8_t)~(1u << class);
	if (!classes[power])
		powers &= ~(1u << power);
}

/* Merges a chunk that is in no list with free neighbours and puts the whole into its list. */
static void release(struct chunk *chunk)
{
	struct chunk *after = at(chunk, (int32_t)size_of(chunk));

	if (is_free(after)) {
		take_out(after);
		chunk->size = size_of(chunk) + size_of(after);
	}
	if (chunk->size_before) {
		struct chunk *before = at(chunk, -(int32_t)chunk->size_before);
		if (is_free(before)) {
			take_out(before);
			before->size = size_of(before) + size_of(chunk);
			chunk = before;
		}
	}
	insert(chunk);
}

/* Makes the last chunk a free one of at least size bytes. */
static int grow(uint32_t size)
{
	uint32_t pages_now = (uint32_t)__builtin_wasm_memory_size(0);
	uint32_t pages_max = FB_MEMORY_LIMIT / PAGE;
	uint32_t pages, need;
	struct chunk *first, *last;

	if (!end) {
		/* What lies between __heap_base and the end of the memory linked in is the first chunk. */
		uintptr_t start = (((uintptr_t)&__heap_base + HEADER + 15) & ~(uintptr_t)15) - HEADER;
		first = (struct chunk *)start;
		end = (struct chunk *)((uintptr_t)pages_now * PAGE - HEADER);
		first->size_before = 0;
		first->size = (uint32_t)((uintptr_t)end - start);
		end->size = IN_USE;
		insert(first);
		return 1;
	}
	last = at(end, -(int32_t)end->size_before);
	need = size - (is_free(last) ? size_of(last) : 0);
	pages = (need + PAGE - 1) / PAGE;
	if (pages > pages_max - pages_now)
		return 0;
	if (pages < GROW_PAGES)
		pages = GROW_PAGES < pages_max - pages_now ? GROW_PAGES : pages_max - pages_now;
	if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1)
		return 0;
	first = end;
	first->size = pages * PAGE;
	end = at(first, (int32_t)(pages * PAGE));
	end->size = IN_USE;
	release(first);
	return 1;
}

static struct chunk *find(uint32_t size)
{
	uint32_t power = power_of(size), class = class_of(size), found;
	struct chunk *chunk = lists[power][class];

	for (int tries = 0; chunk && tries < SCAN; tries++, chunk = chunk->next)
		if (size_of(chunk) >= size)
			return chunk;
	found = class == 7 ? 0 : classes[power] & (uint32_t)(0xfe << class);
	if (!found) {
		uint32_t higher = powers & (uint32_t)(~1ull << power);
		if (!higher)
			return NULL;
		power = (uint32_t)__builtin_ctz(higher);
		found = classes[power];
	}
	return lists[power][__builtin_ctz(found)];
}

void *malloc(size_t wanted)
{
	uint32_t size = (uint32_t)(wanted + HEADER + 15) & ~15u, rest;
	struct chunk *chunk;

	if (wanted > FB_MEMORY_LIMIT)
		return NULL;
	if (size < sizeof(struct chunk))
		size = sizeof(struct chunk);
	while (!(chunk = find(size)))
		if (!grow(size))
			return NULL;
	take_out(chunk);
	rest = size_of(chunk) - size;
	chunk->size = size | IN_USE;
	if (rest) {
		struct chunk *tail = at(chunk, (int32_t)size);
		tail->size_before = size;
		tail->size = rest;
		insert(tail);
	}
	return (uint8_t *)chunk + HEADER;
}

void free(void *pointer)
{
	struct chunk *chunk;

	if (!pointer)
		return;
	chunk = (struct chunk *)((uintptr_t)pointer - HEADER);
	if (is_free(chunk))
		__builtin_trap(); /* freed twice: our own bug, best seen early */
	chunk->size = size_of(chunk);
	release(chunk);
}

void *calloc(size_t count, size_t size)
{
	uint64_t bytes = (uint64_t)count * size;
	void *pointer = bytes > FB_MEMORY_LIMIT ? NULL : malloc((size_t)bytes);

	return pointer ? memset(pointer, 0, (size_t)bytes) : NULL;
}

void *realloc(void *pointer, size_t size)
{
	void *moved;
	size_t have;

	if (!pointer)
		return malloc(size);
	have = size_of((struct chunk *)((uintptr_t)pointer - HEADER)) - HEADER;
	if (size <= have)
		return pointer;
	moved = malloc(size);
	if (!moved)
		return NULL;
	memcpy(moved, pointer, have);
	free(pointer);
	return moved;
}

_Noreturn void abort(void) { __builtin_trap(); }

void *fb_alloc(size_t size) { return malloc(size); }
void fb_free(void *pointer) { free(pointer); }
