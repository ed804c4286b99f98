#pragma once

// The rules stand in base.

#include "base/host_rules.hpp"
#include "base/http_url.hpp"
