// Stand-in for the CUDA runtime header: the project's .cu sources compile with a host compiler when this directory
// comes first on the include path and OPTIM_SIMT is defined. See tests/simt/README.md.
#pragma once

#ifndef OPTIM_SIMT
#error "tests/simt/include is on the include path but OPTIM_SIMT is not defined"
#endif

#include "simt/api.h"
#include "simt/control.h"
#include "simt/device.h"
#include "simt/qualifiers.h"
#include "simt/vectors.h"
