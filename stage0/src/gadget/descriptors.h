/* What FunctionFS is told on ep0: descriptors for three speeds, and strings. */
#ifndef GADGET_DESCRIPTORS_H
#define GADGET_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DESCRIPTORS_SIZE = 159, STRINGS_SIZE = 23 };

/* Endpoints in the order of their descriptors: ep1 to ep4 of FunctionFS. */
enum endpoint { INTERRUPT_IN, INTERRUPT_OUT, BULK_IN, BULK_OUT, ENDPOINTS };

/*
 * wMaxPacketSize of the interrupt endpoints at any speed. The bus sets aside as much in each
 * microframe, so it is what full speed allows, and not what high speed would.
 */
enum { INTERRUPT_PACKET = 64 };

void descriptors_encode(uint8_t into[DESCRIPTORS_SIZE], bool mimic_fastboot);
void strings_encode(uint8_t into[STRINGS_SIZE]);

#endif
