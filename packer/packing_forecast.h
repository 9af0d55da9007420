/*
 * packing_forecast.h: what `tercet pack` would make of a source that was read and surveyed: the header of its file, without
 * hashes. Enough for a model without data, which says how large the file is and what a session of it needs.
 */
#ifndef TERCET_PACKER_PACKING_FORECAST_H
#define TERCET_PACKER_PACKING_FORECAST_H

#include "chat_section.h"
#include "container_header.h"
#include "source_survey.h"

/* Ternary where the survey found trits or the source asks for absmean, other matrices of layers f16, the rest as `tercet pack`
 * chooses without options. Errors of tensor_form_choose and container_header_build; free the header. */
tercet_status packing_forecast_build(const struct model_source *source,
                                     const struct source_survey *survey,
                                     const struct chat_section *chat,
                                     struct container_header *header, tercet_error *error);

#endif
