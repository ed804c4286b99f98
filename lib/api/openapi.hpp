#pragma once

// GET /v1/openapi.json: the document that lib/api/openapi.json holds, built into the program.

#include <string_view>

namespace prooftrack::api {

std::string_view openapi_document();

} // namespace prooftrack::api
