/** The build puts the text of the file here. */
declare module "*.sql" {
  const text: string;
  export default text;
}
