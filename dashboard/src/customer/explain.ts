import { createFormats, defaultTexts } from '@continuum-billing/react';
import { explanationOf } from '@continuum-billing/react/core';

const words = { texts: defaultTexts, formats: createFormats() };

/** The words of the parts, outside them. */
export const explain = (error: unknown) => explanationOf(error, words);
