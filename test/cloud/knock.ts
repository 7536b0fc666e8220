import { connect } from 'node:net';

/** How an address answers at a port that nobody listens at: ECONNREFUSED, if there is anybody at the address. */
export function knock(address: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 1, timeout: 3000 });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    socket.on('timeout', () => {
      socket.destroy();
      resolve('silence');
    });
  });
}
