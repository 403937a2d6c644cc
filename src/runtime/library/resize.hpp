// Resizing as icnet.engines.exported does it: exact in whole numbers, so that every machine gives the same bytes.
#pragma once

#include "facts.hpp"

namespace icnet {

// Bilinear, pixel areas aligned, rounded half up.
Frame resize_frame(const Frame& frame, Size size);

// The nearest pixel to the centre of each.
LabelMap resize_label_map(const LabelMap& label_map, Size size);

}  // namespace icnet
