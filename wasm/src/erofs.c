/*
 * erofs on disk: superblock, inodes, directory blocks, compression indexes, extents.
 *
 * Source of the layouts: fs/erofs/erofs_fs.h, zmap.c and decompressor.c of Linux 6.12, which are the
 * format's only specification. Every number below comes from the image and is not trusted: it is
 * compared with what the caller's buffers hold before it is used as an offset.
 */
#include "../fastboop.h"

#include <string.h>

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

#define MAX_SAFE ((uint64_t)1 << 53)

/* --- superblock ---------------------------------------------------------------------------- */

#define EROFS_SUPER_MAGIC_V1 0xE0F5E1E2u
#define EROFS_FEATURE_INCOMPAT_COMPR_CFGS 0x2u

int fb_erofs_super(const uint8_t *in, size_t size, double *out)
{
	if (size < 128)
		return FB_TRUNCATED;
	if (le32(in) != EROFS_SUPER_MAGIC_V1)
		return FB_UNSUPPORTED;
	uint64_t inodes = le64(in + 16), build_time = le64(in + 24), packed_nid = le64(in + 96);
	if (inodes >= MAX_SAFE || build_time >= MAX_SAFE || packed_nid >= MAX_SAFE)
		return FB_DAMAGED;
	uint32_t incompat = le32(in + 80);
	out[FB_SUPER_BLOCK_BITS] = in[12];
	out[FB_SUPER_ROOT_NID] = le16(in + 14);
	out[FB_SUPER_INODES] = (double)inodes;
	out[FB_SUPER_BUILD_TIME] = (double)build_time;
	out[FB_SUPER_BLOCKS] = le32(in + 36);
	out[FB_SUPER_META_BLOCK] = le32(in + 40);
	out[FB_SUPER_COMPAT] = le32(in + 8);
	out[FB_SUPER_INCOMPAT] = incompat;
	/* without COMPR_CFGS the field holds lz4_max_distance, and LZ4 is all there is */
	out[FB_SUPER_ALGORITHMS] = incompat & EROFS_FEATURE_INCOMPAT_COMPR_CFGS ? le16(in + 84) : 1;
	out[FB_SUPER_EXTRA_DEVICES] = le16(in + 86);
	out[FB_SUPER_DIR_BLOCK_BITS] = in[90];
	out[FB_SUPER_PACKED_NID] = (double)packed_nid;
	out[FB_SUPER_CHECKSUM] = le32(in + 4);
	return FB_OK;
}

/* --- inode --------------------------------------------------------------------------------- */

#define EROFS_I_ALL 0xFu /* bit 0: version, bits 1 to 3: layout */
#define EROFS_INODE_CHUNK_BASED 4

int fb_erofs_inode(const uint8_t *in, size_t size, double *out)
{
	if (size < 32)
		return FB_TRUNCATED;
	unsigned int format = le16(in), extended = format & 1, layout = format >> 1 & 7;
	if (format & ~EROFS_I_ALL || layout > EROFS_INODE_CHUNK_BASED)
		return FB_UNSUPPORTED;
	if (extended && size < 64)
		return FB_TRUNCATED;
	uint64_t file_size = extended ? le64(in + 8) : le32(in + 8);
	uint64_t mtime = extended ? le64(in + 32) : le32(in + 12);
	if (file_size >= MAX_SAFE)
		return FB_DAMAGED;
	unsigned int xattr_count = le16(in + 2);
	out[FB_INODE_EXTENDED] = extended;
	out[FB_INODE_LAYOUT] = layout;
	/* the first of the 4-byte units is a header of 12 bytes */
	out[FB_INODE_HEAD_SIZE] = (extended ? 64 : 32) + (xattr_count ? 12 + 4 * (xattr_count - 1) : 0);
	out[FB_INODE_MODE] = le16(in + 4);
	out[FB_INODE_LINKS] = extended ? le32(in + 44) : le16(in + 6);
	out[FB_INODE_SIZE] = (double)file_size;
	out[FB_INODE_MTIME] = (double)(int64_t)mtime;
	out[FB_INODE_U] = le32(in + 16);
	out[FB_INODE_UID] = extended ? le32(in + 24) : le16(in + 24);
	out[FB_INODE_GID] = extended ? le32(in + 28) : le16(in + 26);
	return FB_OK;
}

/* --- directory blocks ---------------------------------------------------------------------- */

#define DIRENT_SIZE 12u

/* Number of entries of a block, or 0 when its first entry cannot be right. */
static uint32_t dirent_count(const uint8_t *block, size_t size)
{
	if (size < DIRENT_SIZE)
		return 0;
	uint32_t first_name = le16(block + 8);
	if (first_name < DIRENT_SIZE || first_name >= size || first_name % DIRENT_SIZE)
		return 0;
	return first_name / DIRENT_SIZE;
}

/* Name of entry i of count; gives its size, or 0 when it is outside the block or no name. */
static uint32_t dirent_name(const uint8_t *block, size_t size, uint32_t i, uint32_t count,
                            const uint8_t **name)
{
	uint32_t start = le16(block + i * DIRENT_SIZE + 8);
	uint32_t end = i + 1 < count ? le16(block + (i + 1) * DIRENT_SIZE + 8) : (uint32_t)size;
	if (start < count * DIRENT_SIZE || start >= end || end > size)
		return 0;
	*name = block + start;
	/* only the last name of a block may end early, at a NUL */
	if (i + 1 == count) {
		const uint8_t *nul = memchr(*name, 0, end - start);
		if (nul)
			end = (uint32_t)(nul - block);
	}
	uint32_t length = end - start;
	return length <= 255 ? length : 0;
}

int fb_erofs_dirents(const uint8_t *block, size_t size, struct fb_erofs_dirent *out)
{
	uint32_t count = dirent_count(block, size);
	if (!count)
		return FB_DAMAGED;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *name;
		uint32_t length = dirent_name(block, size, i, count, &name);
		uint64_t nid = le64(block + i * DIRENT_SIZE);
		if (!length || nid >= MAX_SAFE || memchr(name, 0, length) || memchr(name, '/', length))
			return FB_DAMAGED;
		out[i].nid = (double)nid;
		out[i].name_offset = (uint32_t)(name - block);
		out[i].name_size = (uint16_t)length;
		out[i].type = block[i * DIRENT_SIZE + 10];
	}
	return (int)count;
}

int fb_erofs_lookup(const uint8_t *block, size_t size, const uint8_t *name, size_t name_size, double *nid)
{
	uint32_t count = dirent_count(block, size), low = 0, high = count;
	if (!count)
		return 3;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const uint8_t *other;
		uint32_t length = dirent_name(block, size, middle, count, &other);
		if (!length)
			return 3;
		int order = memcmp(name, other, name_size < length ? name_size : length);
		if (!order)
			order = name_size < length ? -1 : name_size > length;
		if (!order) {
			uint64_t found = le64(block + middle * DIRENT_SIZE);
			*nid = (double)found;
			return found >= MAX_SAFE ? 3 : 0;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low == 0 ? -1 : low == count ? 1 : 2;
}

/* --- compression index --------------------------------------------------------------------- */

#define Z_EROFS_ADVISE_COMPACTED_2B 0x01u
#define Z_EROFS_ADVISE_BIG_PCLUSTER_1 0x02u
#define Z_EROFS_ADVISE_BIG_PCLUSTER_2 0x04u
#define Z_EROFS_ADVISE_INLINE_PCLUSTER 0x08u
#define Z_EROFS_ADVISE_INTERLACED_PCLUSTER 0x10u
#define Z_EROFS_ADVISE_FRAGMENT_PCLUSTER 0x20u
#define Z_EROFS_ADVISE_ALL 0x3Fu
#define Z_EROFS_FRAGMENT_INODE_BIT 7

#define Z_EROFS_LI_PARTIAL_REF (1u << 15)
#define Z_EROFS_LI_D0_CBLKCNT (1u << 11)

#define Z_EROFS_PCLUSTER_MAX_SIZE (1u << 20)  /* bytes in the image */
#define Z_EROFS_PCLUSTER_MAX_DSIZE (12u << 20) /* bytes in the file */
#define FRAGMENT_MAX_SIZE UINT32_MAX /* erofs bounds it by the size of the file alone */

enum lcluster_type { PLAIN, HEAD1, NONHEAD, HEAD2 };

struct lcluster {
	uint32_t type;
	uint32_t offset;  /* head: where in the lcluster the extent starts */
	uint32_t block;   /* head: block address of the pcluster */
	uint32_t blocks;  /* non-head: number of blocks of the pcluster, where it is told here; else 0 */
	uint32_t partial; /* head: Z_EROFS_LI_PARTIAL_REF */
};

int fb_erofs_map_header(const uint8_t *in, double position, double file_size, int compact,
                        unsigned int block_bits, struct fb_erofs_map *map)
{
	memset(map, 0, sizeof(*map));
	map->file_size = file_size;
	map->block_bits = block_bits;
	map->compact = compact != 0;
	if (in[7] >> Z_EROFS_FRAGMENT_INODE_BIT) {
		uint64_t offset = le64(in) ^ (uint64_t)1 << 63;
		if (offset >= MAX_SAFE)
			return FB_DAMAGED;
		map->fragment_offset = (double)offset;
		map->whole_fragment = 1;
		return FB_OK;
	}
	map->advise = le16(in + 4);
	map->algorithms = in[6];
	map->lcluster_bits = block_bits + (in[7] & 7);
	if (map->advise & ~Z_EROFS_ADVISE_ALL || in[7] & ~7)
		return FB_UNSUPPORTED;
	if (map->advise & Z_EROFS_ADVISE_INLINE_PCLUSTER)
		map->inline_size = le16(in + 2);
	if (map->advise & Z_EROFS_ADVISE_FRAGMENT_PCLUSTER)
		map->fragment_offset = le32(in);
	double lclusters = file_size / (double)(1u << map->lcluster_bits);
	if (lclusters > 4294967040.0) /* lcluster numbers have 32 bits */
		return FB_UNSUPPORTED;
	map->lclusters = (uint32_t)lclusters + (lclusters > (uint32_t)lclusters);

	if (!compact) {
		map->index_start = position + 16; /* header, then 8 reserved bytes */
		map->index_end = map->index_start + 8.0 * map->lclusters;
		return FB_OK;
	}
	/* the block counts of a pack are added up without looking which of the two heads they belong to */
	if (!(map->advise & Z_EROFS_ADVISE_BIG_PCLUSTER_1) != !(map->advise & Z_EROFS_ADVISE_BIG_PCLUSTER_2))
		return FB_DAMAGED;
	/* packs of 4-byte entries hold 14 bits for an offset, those of 2-byte entries hold 12 */
	if (map->lcluster_bits > 14)
		return FB_UNSUPPORTED;
	map->index_start = position + 8;
	uint32_t misaligned = (uint32_t)((uint64_t)map->index_start & 31);
	if (map->advise & Z_EROFS_ADVISE_COMPACTED_2B) {
		if (map->lcluster_bits > 12)
			return FB_UNSUPPORTED;
		map->initial_4b = (32 - misaligned) / 4 & 7;
		if (map->initial_4b < map->lclusters)
			map->count_2b = (map->lclusters - map->initial_4b) & ~15u;
		else
			map->initial_4b = map->lclusters;
	} else {
		map->initial_4b = map->lclusters;
	}
	uint32_t rest_4b = map->lclusters - map->initial_4b - map->count_2b;
	uint32_t initial = map->initial_4b + (map->count_2b || rest_4b ? 0 : map->initial_4b & 1);
	map->index_end = map->index_start + 4.0 * initial + 2.0 * map->count_2b +
	                 4.0 * (rest_4b + (rest_4b & 1));
	return FB_OK;
}

/*
 * The pack that holds an lcluster: its first lcluster, how many it holds, and its byte relative to the
 * start of the index. A full index is made of packs of one.
 */
struct pack {
	uint32_t first, count, entry_size;
	uint64_t offset;
};

static struct pack pack_of(const struct fb_erofs_map *map, uint32_t lcn)
{
	struct pack pack;
	if (!map->compact) {
		pack = (struct pack){ lcn, 1, 8, (uint64_t)lcn * 8 };
	} else if (lcn < map->initial_4b) {
		pack = (struct pack){ lcn & ~1u, 2, 4, (uint64_t)(lcn & ~1u) * 4 };
	} else if (lcn - map->initial_4b < map->count_2b) {
		uint32_t n = (lcn - map->initial_4b) & ~15u;
		pack = (struct pack){ map->initial_4b + n, 16, 2, (uint64_t)map->initial_4b * 4 + (uint64_t)n * 2 };
	} else {
		uint32_t before = map->initial_4b + map->count_2b, n = (lcn - before) & ~1u;
		pack = (struct pack){ before + n, 2, 4,
			              (uint64_t)map->initial_4b * 4 + (uint64_t)map->count_2b * 2 + (uint64_t)n * 4 };
	}
	return pack;
}

int fb_erofs_index_range(const struct fb_erofs_map *map, uint32_t first, uint32_t last, double *out)
{
	if (first >= last || last > map->lclusters)
		return FB_BAD_ARGUMENT;
	struct pack end = pack_of(map, last - 1);
	out[0] = map->index_start + (double)pack_of(map, first).offset;
	out[1] = map->index_start + (double)(end.offset + (uint64_t)end.count * end.entry_size);
	return FB_OK;
}

static int load_full(const struct fb_erofs_map *map, const uint8_t *in, struct lcluster *out)
{
	uint32_t advise = le16(in);
	*out = (struct lcluster){ .type = advise & 3 };
	if (out->type == NONHEAD) {
		uint32_t delta = le16(in + 4);
		if (delta & Z_EROFS_LI_D0_CBLKCNT) {
			if (!(map->advise & (Z_EROFS_ADVISE_BIG_PCLUSTER_1 | Z_EROFS_ADVISE_BIG_PCLUSTER_2)))
				return FB_DAMAGED;
			out->blocks = delta & (Z_EROFS_LI_D0_CBLKCNT - 1);
		}
		return FB_OK;
	}
	out->partial = advise & Z_EROFS_LI_PARTIAL_REF;
	out->offset = le16(in + 2);
	out->block = le32(in + 4);
	return out->offset >> map->lcluster_bits ? FB_DAMAGED : FB_OK;
}

/*
 * A compact pack: count entries of (offset or distance, type) packed to 14 or 16 bits each, then the
 * block address that the pack's heads count from. Where big pclusters are off each head takes one
 * block and the address is that of the block before; where they are on, the block count of a head is
 * told by the non-head that follows it.
 */
static int load_compact(const struct fb_erofs_map *map, const struct pack *pack, const uint8_t *in,
                        struct lcluster *out)
{
	uint32_t offset_bits = map->lcluster_bits > 12 ? map->lcluster_bits : 12;
	uint32_t entry_bits = (pack->count * pack->entry_size - 4) * 8 / pack->count;
	int big = (map->advise & Z_EROFS_ADVISE_BIG_PCLUSTER_1) != 0;
	uint32_t block = le32(in + pack->count * pack->entry_size - 4) + (big ? 0 : 1);
	int after_head = 0;

	for (uint32_t i = 0; i < pack->count; i++) {
		uint32_t bit = i * entry_bits;
		/* 16 bits at any bit offset lie within 3 bytes; the block address stands behind the last */
		uint32_t window = le32(in + bit / 8) >> bit % 8;
		uint32_t low = window & ((1u << offset_bits) - 1);
		out[i] = (struct lcluster){ .type = window >> offset_bits & 3 };
		if (out[i].type == NONHEAD) {
			if (low & Z_EROFS_LI_D0_CBLKCNT) {
				if (!big)
					return FB_DAMAGED;
				out[i].blocks = low & (Z_EROFS_LI_D0_CBLKCNT - 1);
				block += out[i].blocks;
				after_head = 0;
			}
		} else {
			block += big && after_head;
			out[i].offset = low;
			out[i].block = block;
			block += !big;
			after_head = 1;
			if (low >> map->lcluster_bits)
				return FB_DAMAGED;
		}
	}
	return FB_OK;
}

/* Fills in the physical side of the extent that a head starts. */
static int start_extent(const struct fb_erofs_map *map, const struct lcluster *head, uint32_t lcn,
                        struct fb_erofs_extent *extent)
{
	extent->logical = (double)lcn * (double)(1u << map->lcluster_bits) + head->offset;
	extent->physical = (double)head->block * (double)(1u << map->block_bits);
	extent->length = 0;
	extent->stored = 1u << map->block_bits;
	extent->flags = head->partial ? FB_EXTENT_PARTIAL : 0;
	if (head->type == PLAIN)
		extent->kind = map->advise & Z_EROFS_ADVISE_INTERLACED_PCLUSTER ? FB_EXTENT_INTERLACED
		                                                               : FB_EXTENT_SHIFTED;
	else
		extent->kind = head->type == HEAD1 ? map->algorithms & 15 : map->algorithms >> 4;
	return head->type != PLAIN && extent->kind > FB_BLOCK_ZSTD ? FB_UNSUPPORTED : FB_OK;
}

static int end_extent(struct fb_erofs_extent *extent, double end)
{
	double length = end - extent->logical;
	double most = extent->flags & FB_EXTENT_FRAGMENT ? FRAGMENT_MAX_SIZE : Z_EROFS_PCLUSTER_MAX_DSIZE;
	if (!(length > 0 && length <= most))
		return FB_DAMAGED;
	extent->length = (uint32_t)length;
	if (extent->flags & FB_EXTENT_FRAGMENT)
		return FB_OK;
	/* 0: a block count is missing or too large; of no matter to a last extent that is kept elsewhere */
	if (!extent->stored)
		return FB_DAMAGED;
	return extent->kind >= FB_EXTENT_SHIFTED && extent->length > extent->stored ? FB_DAMAGED : FB_OK;
}

/* The last extent of a file may stand behind the index, or in the packed inode. */
static int end_last_extent(const struct fb_erofs_map *map, struct fb_erofs_extent *extent, uint32_t block)
{
	if (map->advise & Z_EROFS_ADVISE_INLINE_PCLUSTER) {
		uint64_t block_mask = ((uint64_t)1 << map->block_bits) - 1;
		if (((uint64_t)map->index_end & block_mask) + map->inline_size > block_mask + 1)
			return FB_DAMAGED;
		extent->physical = map->index_end;
		extent->stored = map->inline_size;
		extent->flags |= FB_EXTENT_INLINE;
		/* mkfs rotates within a block, and an inlined pcluster is none: it copies the bytes as they are */
		if (extent->kind == FB_EXTENT_INTERLACED)
			extent->kind = FB_EXTENT_SHIFTED;
	} else if (map->advise & Z_EROFS_ADVISE_FRAGMENT_PCLUSTER) {
		/* a full index has room for the upper half of the offset */
		extent->physical = map->fragment_offset + (map->compact ? 0 : (double)block * 4294967296.0);
		if (extent->physical >= (double)MAX_SAFE)
			return FB_DAMAGED;
		extent->stored = 0;
		extent->flags |= FB_EXTENT_FRAGMENT;
	}
	return end_extent(extent, map->file_size);
}

int fb_erofs_extents(const struct fb_erofs_map *map, const uint8_t *index, size_t index_size,
                     double index_start, uint32_t first, uint32_t last, struct fb_erofs_extent *out)
{
	struct fb_erofs_extent *open = NULL; /* the extent whose end is not known yet */
	struct lcluster lclusters[16];
	uint32_t count = 0, open_lcn = 0, open_type = PLAIN, open_block = 0;
	if (first >= last || last > map->lclusters || index_start < map->index_start)
		return FB_BAD_ARGUMENT;
	uint64_t skipped = (uint64_t)(index_start - map->index_start);
	struct pack pack = pack_of(map, first);
	double lcluster_size = (double)(1u << map->lcluster_bits);
	double longest = map->advise & Z_EROFS_ADVISE_FRAGMENT_PCLUSTER ? FRAGMENT_MAX_SIZE
	                                                                : Z_EROFS_PCLUSTER_MAX_DSIZE;

	for (;;) {
		size_t pack_size = (size_t)pack.count * pack.entry_size;
		if (pack.offset < skipped)
			return FB_BAD_ARGUMENT;
		if (index_size < pack_size || pack.offset - skipped > index_size - pack_size)
			return FB_TRUNCATED;
		const uint8_t *in = index + (pack.offset - skipped);
		int status = map->compact ? load_compact(map, &pack, in, lclusters) : load_full(map, in, lclusters);
		if (status < 0)
			return status;

		for (uint32_t i = 0; i < pack.count; i++) {
			uint32_t lcn = pack.first + i;
			const struct lcluster *lcluster = &lclusters[i];
			if (lcn < first)
				continue;
			if (lcn == map->lclusters)
				break;
			if (lcluster->type == NONHEAD) {
				if (!lcn)
					return FB_DAMAGED; /* the file starts in the middle of nothing */
				if (!open)
					continue;
				/* no further: else a damaged index would be read to its end, however large */
				if (lcn * lcluster_size - open->logical >= longest)
					return FB_DAMAGED;
				if (lcn != open_lcn + 1)
					continue;
				uint32_t big = open_type == HEAD1 ? Z_EROFS_ADVISE_BIG_PCLUSTER_1
				                                  : Z_EROFS_ADVISE_BIG_PCLUSTER_2;
				/* without a count it is one block: of plain data Linux 6.12 always takes it to be */
				if (!(map->advise & big) || (open_type == PLAIN && !lcluster->blocks))
					continue;
				open->stored = lcluster->blocks <= Z_EROFS_PCLUSTER_MAX_SIZE >> map->block_bits
				                       ? lcluster->blocks << map->block_bits
				                       : 0;
				continue;
			}
			if (!lcn && lcluster->offset)
				return FB_DAMAGED;
			double start = lcn * lcluster_size + lcluster->offset;
			if (start >= map->file_size)
				break; /* mkfs marks the end of the file by a head without content */
			if (open) {
				status = end_extent(open, start);
				if (status < 0)
					return status;
			}
			if (lcn >= last)
				return (int)count;
			open = &out[count++];
			open_lcn = lcn;
			open_type = lcluster->type;
			open_block = lcluster->block;
			status = start_extent(map, lcluster, lcn, open);
			if (status < 0)
				return status;
		}
		if (pack.first + pack.count >= map->lclusters)
			break;
		if (!open && pack.first + pack.count >= last)
			return 0;
		pack = pack_of(map, pack.first + pack.count);
	}
	if (open) {
		int status = end_last_extent(map, open, open_block);
		if (status < 0)
			return status;
	}
	return (int)count;
}

/* --- decoding ------------------------------------------------------------------------------ */

/* Undoes the rotation: the bytes up to the end of the block stand last (z_erofs_transform_plain). */
static int decode_interlaced(const uint8_t *in, uint32_t stored, const struct fb_erofs_extent *extent,
                             unsigned int block_bits, uint8_t *out)
{
	uint32_t block_size = 1u << block_bits;
	uint32_t to_block_end = block_size - (uint32_t)((uint64_t)extent->logical & (block_size - 1));
	if (to_block_end > stored)
		return FB_DAMAGED;
	uint32_t head = to_block_end < extent->length ? to_block_end : extent->length;
	memcpy(out, in + (stored - to_block_end), head);
	memcpy(out + head, in, extent->length - head);
	return FB_OK;
}

static int decode_extent(const uint8_t *in, const struct fb_erofs_extent *extent, int zero_padding,
                         unsigned int block_bits, uint8_t *out)
{
	uint32_t stored = extent->stored;
	if (extent->kind == FB_EXTENT_INTERLACED)
		return decode_interlaced(in, stored, extent, block_bits, out);
	if (extent->kind == FB_EXTENT_SHIFTED) {
		memcpy(out, in, extent->length);
		return FB_OK;
	}
	int exact = !(extent->flags & FB_EXTENT_PARTIAL);
	if (zero_padding || extent->kind != FB_BLOCK_LZ4) {
		/* compressed data ends where the pcluster ends; zeros fill less than its first block */
		uint32_t limit = stored < 1u << block_bits ? stored : 1u << block_bits, skip = 0;
		while (skip < limit && !in[skip])
			skip++;
		if (skip == limit)
			return FB_DAMAGED;
		in += skip;
		stored -= skip;
	} else {
		exact = 0; /* padding, if any, stands behind the data */
	}
	int got = fb_block_decode((int)extent->kind, in, stored, out, extent->length, exact);
	return got == (int)extent->length ? FB_OK : FB_DAMAGED;
}

int fb_erofs_decode(const uint8_t *in, size_t in_size, double in_start,
                    const struct fb_erofs_extent *extents, size_t count, int zero_padding,
                    unsigned int block_bits, uint8_t *out, size_t out_size)
{
	size_t filled = 0;
	for (size_t i = 0; i < count; i++) {
		const struct fb_erofs_extent *extent = &extents[i];
		double offset = extent->physical - in_start;
		if (extent->flags & FB_EXTENT_FRAGMENT || extent->length > out_size - filled)
			return (int)i;
		if (!(offset >= 0 && offset + extent->stored <= (double)in_size))
			return (int)i;
		if (decode_extent(in + (size_t)offset, extent, zero_padding, block_bits, out + filled) < 0)
			return (int)i;
		filled += extent->length;
	}
	return (int)count;
}
