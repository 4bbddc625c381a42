/** What a price is for, in words. */
export const UNITS: Record<string, string> = {
  input_mtok: "a million input tokens",
  cache_read_mtok: "a million cached input tokens",
  cache_write_mtok: "a million input tokens written to the cache",
  output_mtok: "a million output tokens",
  input_image_mtok: "a million image tokens in",
  output_image_mtok: "a million image tokens out",
  input_audio_mtok: "a million audio tokens in",
  output_audio_mtok: "a million audio tokens out",
  cache_image_read_mtok: "a million cached image tokens",
  cache_audio_read_mtok: "a million cached audio tokens",
  audio_hours: "an hour of sound",
  characters_mchar: "a million characters",
  images: "an image",
  requests_kcount: "a thousand requests",
  web_searches_kcount: "a thousand web searches",
  storage_searches_kcount: "a thousand file searches",
};

export function unitWords(unit: string): string {
  return UNITS[unit] ?? unit.replaceAll("_", " ");
}
