/** The bundler and the test runner bring `.lua` files in as text. */
declare module "*.lua" {
  const text: string;
  export default text;
}
