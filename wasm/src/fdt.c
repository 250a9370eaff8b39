/*
 * Device trees, over libfdt.
 *
 * libfdt checks what it reads of a tree, but trusts an overlay's __local_fixups__: their numbers are
 * added to a pointer as they are. So everything an overlay says about places within itself is compared
 * with the overlay before it is applied. That also tells which label or path is missing, which libfdt
 * does not.
 */
#include "../fastboop.h"

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "fdt_work.h"

/* FDT_MAX_DEPTH of Linux (drivers/of/fdt.c), which ignores what lies deeper; libfdt recurses. */
#define MAX_DEPTH 64
/*
 * A unit takes 10 to 30 ns. An overlay that changes 200 of the 564 labelled nodes of
 * qcom/sdm845-db845c.dtb and adds one to each fits in; overlays in use change ten.
 */
#define MAX_WORK (1u << 28)

uint32_t fb_fdt_work_left;

static int fail(struct fb_fdt_fault *fault, uint32_t reason, int error, const char *text, size_t size)
{
	/* when work ran out, whatever libfdt said is of no account */
	fault->reason = fb_fdt_work_left ? reason : FB_FDT_TOO_MUCH_WORK;
	fault->error = (uint32_t)-error;
	if (size > sizeof(fault->text) - 1)
		size = sizeof(fault->text) - 1;
	if (size)
		memcpy(fault->text, text, size);
	fault->text[size] = 0;
	return FB_DAMAGED;
}

static int fail_name(struct fb_fdt_fault *fault, uint32_t reason, int error, const char *name)
{
	return fail(fault, reason, error, name, name ? strlen(name) : 0);
}

/* Whether a property is one string with its final zero. */
static int is_text(const char *value, int size)
{
	return value && size > 0 && memchr(value, 0, (size_t)size) == value + size - 1;
}

/* Everything libfdt expects of a tree, and a depth that recursion can bear. */
static int check_tree(const uint8_t *tree, size_t size, struct fb_fdt_fault *fault)
{
	int error = fdt_check_full(tree, size), offset = 0, depth = 0;

	if (error)
		return fail(fault, FB_FDT_BAD_TREE, error, NULL, 0);
	for (;;) {
		uint32_t tag = fdt_next_tag(tree, offset, &offset);
		if (tag == FDT_END)
			break;
		if (tag == FDT_END_NODE)
			depth--;
		else if (tag == FDT_BEGIN_NODE && ++depth > MAX_DEPTH)
			return fail(fault, FB_FDT_TOO_DEEP, 0, NULL, 0);
	}
	return fb_fdt_work_left ? FB_OK : fail(fault, FB_FDT_TOO_MUCH_WORK, 0, NULL, 0);
}

static int begin(const uint8_t *tree, size_t size, struct fb_fdt_fault *fault)
{
	memset(fault, 0, sizeof(*fault));
	fb_fdt_work_left = MAX_WORK;
	return check_tree(tree, size, fault);
}

int fb_fdt_check(const uint8_t *tree, size_t size, struct fb_fdt_fault *fault)
{
	int status = begin(tree, size, fault);

	return status ? status : (int)fdt_totalsize(tree);
}

/* --- overlays ------------------------------------------------------------------------------ */

/* __fixups__, __local_fixups__ and __symbols__ describe an overlay: nothing may be written there. */
static int is_description(const void *overlay, int node)
{
	int top = fdt_supernode_atdepth_offset(overlay, node, 1, NULL);
	const char *name = top < 0 ? NULL : fdt_get_name(overlay, top, NULL);

	return name && name[0] == '_' && name[1] == '_';
}

/* One entry of __fixups__, "path:property:offset" of a phandle in the overlay. */
static int is_place(const void *overlay, const char *entry, const char *end)
{
	const char *name = memchr(entry, ':', (size_t)(end - entry));
	const char *digits = name ? memchr(name + 1, ':', (size_t)(end - name - 1)) : NULL;
	uint32_t offset = 0;
	int node, size;

	if (!digits || digits == name + 1 || end == digits + 1 || end - digits > 9)
		return 0;
	for (const char *at = digits + 1; at < end; at++) {
		if (*at < '0' || *at > '9')
			return 0;
		offset = offset * 10 + (uint32_t)(*at - '0');
	}
	node = fdt_path_offset_namelen(overlay, entry, (int)(name - entry));
	if (node < 0 || is_description(overlay, node))
		return 0;
	return fdt_getprop_namelen(overlay, node, name + 1, (int)(digits - name - 1), &size) &&
	       size >= 4 && offset <= (uint32_t)size - 4;
}

/* Every label must lead to a node with a phandle, every place must be a phandle's. */
static int check_fixups(const void *base, const void *overlay, struct fb_fdt_fault *fault)
{
	int fixups = fdt_path_offset(overlay, "/__fixups__"), property;
	int symbols = fdt_path_offset(base, "/__symbols__");

	if (fixups < 0)
		return FB_OK;
	fdt_for_each_property_offset(property, overlay, fixups) {
		const char *label, *path, *entry, *end;
		int size, path_size, node;

		entry = fdt_getprop_by_offset(overlay, property, &label, &size);
		if (!entry)
			return fail(fault, FB_FDT_BAD_OVERLAY, size, NULL, 0);
		if (symbols < 0)
			return fail_name(fault, FB_FDT_NO_SYMBOLS, symbols, label);
		path = fdt_getprop(base, symbols, label, &path_size);
		if (!path)
			return fail_name(fault, FB_FDT_NO_LABEL, path_size, label);
		node = is_text(path, path_size) ? fdt_path_offset(base, path) : -FDT_ERR_BADVALUE;
		if (node < 0 || !fdt_get_phandle(base, node))
			return fail_name(fault, FB_FDT_BAD_LABEL, node < 0 ? node : -FDT_ERR_NOTFOUND,
			                 label);
		do {
			end = memchr(entry, 0, (size_t)size);
			if (!end || !is_place(overlay, entry, end))
				return fail_name(fault, FB_FDT_BAD_FIXUP, -FDT_ERR_BADOVERLAY, label);
			size -= (int)(end - entry) + 1;
			entry = end + 1;
		} while (size > 0);
	}
	return FB_OK;
}

/* The numbers of __local_fixups__ must be offsets of phandles in the property of the same name. */
static int check_local_fixups(const void *overlay, int node, int fixups, int depth,
                              struct fb_fdt_fault *fault)
{
	int property, child;

	fdt_for_each_property_offset(property, overlay, fixups) {
		const char *name;
		int size, count;
		const fdt32_t *offsets = fdt_getprop_by_offset(overlay, property, &name, &count);

		if (!offsets)
			return fail(fault, FB_FDT_BAD_OVERLAY, count, NULL, 0);
		/* libfdt renumbers every phandle property before it reads these numbers */
		if (count % 4 || !strcmp(name, "phandle") || !strcmp(name, "linux,phandle") ||
		    !fdt_getprop(overlay, node, name, &size))
			return fail_name(fault, FB_FDT_BAD_LOCAL_FIXUP, -FDT_ERR_BADOVERLAY, name);
		for (int i = 0; i < count / 4; i++)
			if (size < 4 || fdt32_ld(offsets + i) > (uint32_t)size - 4)
				return fail_name(fault, FB_FDT_BAD_LOCAL_FIXUP, -FDT_ERR_BADOVERLAY, name);
	}
	fdt_for_each_subnode(child, overlay, fixups) {
		const char *name = fdt_get_name(overlay, child, NULL);
		int other = name ? fdt_subnode_offset(overlay, node, name) : -FDT_ERR_INTERNAL;
		int status;

		if (other < 0 || (depth == 0 && is_description(overlay, other)))
			return fail_name(fault, FB_FDT_BAD_LOCAL_FIXUP, -FDT_ERR_BADOVERLAY, name);
		status = check_local_fixups(overlay, other, child, depth + 1, fault);
		if (status)
			return status;
	}
	return FB_OK;
}

static int check_overlay(const void *base, const void *overlay, struct fb_fdt_fault *fault)
{
	int fragment, fragments = 0, local = fdt_path_offset(overlay, "/__local_fixups__");
	int status = check_fixups(base, overlay, fault);

	if (!status && local >= 0)
		status = check_local_fixups(overlay, 0, local, 0, fault);
	if (status)
		return status;
	fdt_for_each_subnode(fragment, overlay, 0) {
		int size;
		const char *path = fdt_getprop(overlay, fragment, "target-path", &size);

		if (fdt_subnode_offset(overlay, fragment, "__overlay__") < 0)
			continue;
		if (path && !is_text(path, size))
			return fail_name(fault, FB_FDT_BAD_OVERLAY, -FDT_ERR_BADVALUE,
			                 fdt_get_name(overlay, fragment, NULL));
		fragments++;
	}
	return fragments ? FB_OK : fail(fault, FB_FDT_NOTHING_TO_APPLY, 0, NULL, 0);
}

/* Why libfdt failed: fragments are merged in order, so the first without a target is the culprit. */
static int explain(void *base, void *overlay, int error, struct fb_fdt_fault *fault)
{
	int fragment;

	fdt_set_magic(base, FDT_MAGIC);
	fdt_set_magic(overlay, FDT_MAGIC);
	fdt_for_each_subnode(fragment, overlay, 0) {
		const char *path;

		if (fdt_subnode_offset(overlay, fragment, "__overlay__") < 0 ||
		    fdt_overlay_target_offset(base, overlay, fragment, NULL) >= 0)
			continue;
		path = fdt_getprop(overlay, fragment, "target", NULL)
		               ? NULL
		               : fdt_getprop(overlay, fragment, "target-path", NULL);
		return fail_name(fault, FB_FDT_NO_TARGET, error,
		                 path ? path : fdt_get_name(overlay, fragment, NULL));
	}
	return fail(fault, FB_FDT_BAD_OVERLAY, error, NULL, 0);
}

static int finish(uint8_t *out, struct fb_fdt_fault *fault)
{
	int error = fdt_pack(out), status;

	if (error)
		return fail(fault, FB_FDT_BAD_TREE, error, NULL, 0);
	status = check_tree(out, fdt_totalsize(out), fault);
	return status ? status : (int)fdt_totalsize(out);
}

static int apply(void *overlay, uint8_t *out, struct fb_fdt_fault *fault)
{
	int status = check_overlay(out, overlay, fault), error;

	if (status)
		return status;
	error = fdt_overlay_apply(out, overlay);
	if (error == -FDT_ERR_NOSPACE && fb_fdt_work_left)
		return FB_OUTPUT_LIMIT;
	if (error)
		return explain(out, overlay, error, fault);
	return finish(out, fault);
}

/* libfdt leaves what was there between a value and the next multiple of 4: zeros, not chance. */
static int open_into(const uint8_t *tree, uint8_t *out, size_t out_size)
{
	memset(out, 0, out_size);
	return fdt_open_into(tree, out, (int)out_size);
}

int fb_fdt_apply(const uint8_t *base, size_t base_size, const uint8_t *overlay, size_t overlay_size,
                 uint8_t *out, size_t out_size, struct fb_fdt_fault *fault)
{
	uint8_t *copy;
	size_t copy_size;
	int status = begin(base, base_size, fault);

	if (status)
		return status;
	status = check_tree(overlay, overlay_size, fault);
	if (status) {
		fault->in_overlay = 1;
		return status;
	}
	if (open_into(base, out, out_size))
		return FB_OUTPUT_LIMIT;
	/* in blocks that do not overlap, which an overlay may have and its fixups would tread on */
	copy_size = 2 * (size_t)fdt_totalsize(overlay) + 64;
	copy = malloc(copy_size);
	if (!copy)
		return FB_NO_MEMORY;
	status = open_into(overlay, copy, copy_size);
	status = status ? fail(fault, FB_FDT_BAD_OVERLAY, status, NULL, 0) : apply(copy, out, fault);
	free(copy);
	return status;
}

/* --- nodes and properties ------------------------------------------------------------------ */

int fb_fdt_find(const uint8_t *tree, size_t size, int by, const char *text, size_t text_size,
                struct fb_fdt_fault *fault)
{
	int status = begin(tree, size, fault), node;

	if (status)
		return status;
	if (!is_text(text, (int)text_size))
		return FB_BAD_ARGUMENT;
	node = by == FB_FDT_BY_PATH ? fdt_path_offset(tree, text)
	                            : fdt_node_offset_by_compatible(tree, -1, text);
	return node < 0 ? fail_name(fault, FB_FDT_NO_NODE, node, text) : node;
}

int fb_fdt_get(const uint8_t *tree, size_t size, int node, const char *name, size_t name_size,
               uint32_t *out, struct fb_fdt_fault *fault)
{
	int status = begin(tree, size, fault), length;
	const uint8_t *value;

	if (status)
		return status;
	if (!is_text(name, (int)name_size))
		return FB_BAD_ARGUMENT;
	value = fdt_getprop(tree, node, name, &length);
	if (!value)
		return fail_name(fault, FB_FDT_NO_PROPERTY, length, name);
	out[0] = (uint32_t)(value - tree);
	out[1] = (uint32_t)length;
	return FB_OK;
}

int fb_fdt_set(const uint8_t *tree, size_t size, int node, const char *name, const uint8_t *value,
               size_t value_size, uint8_t *out, size_t out_size, struct fb_fdt_fault *fault)
{
	int status = begin(tree, size, fault), error;

	if (status)
		return status;
	if (open_into(tree, out, out_size))
		return FB_OUTPUT_LIMIT;
	error = fdt_setprop(out, node, name, value, (int)value_size);
	if (error == -FDT_ERR_NOSPACE)
		return FB_OUTPUT_LIMIT;
	return error ? fail_name(fault, FB_FDT_NO_NODE, error, name) : finish(out, fault);
}
