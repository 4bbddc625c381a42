export function OpenAIKey() {
  return null;
}
