// libvips, opened while the program runs, and what its process may still do then.
#ifndef SWIFTLET_CVIPS_H
#define SWIFTLET_CVIPS_H

#include "confine.h"
#include "vips.h"

#endif
