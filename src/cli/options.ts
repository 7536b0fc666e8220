/** What the command line gave, commander's names. */
export interface Options {
  readonly inventory: string;
  readonly allowOutside?: readonly string[];
  readonly json?: boolean;
  readonly out?: string;
  readonly format?: string;
  readonly detailedExitcode?: boolean;
  readonly yes?: boolean;
  readonly only?: string;
  readonly acceptIrreversible?: boolean;
  readonly fail?: readonly string[];
  readonly from?: string;
  readonly junit?: string;
  readonly health?: boolean;
  readonly quick?: boolean;
  readonly force?: boolean;
}
