/* SPDX-License-Identifier: Apache-2.0
 *
 * A text as a QR code (ISO/IEC 18004), for the camera of a device.
 */
#pragma once

#include "base/attr.h"

/* Prints `text`, up to 2,331 bytes, on standard output in half blocks; nothing when it is too long. */
void qr_print(const char *text) NONNULL;
