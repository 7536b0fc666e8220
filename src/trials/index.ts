import { attachment } from './attachment.ts';
import { closedPort } from './closed-port.ts';
import { console } from './console.ts';
import { dashboard } from './dashboard.ts';
import type { Trial } from './define.ts';
import { image } from './image.ts';
import { login } from './login.ts';
import { neighbours } from './neighbours.ts';
import { network } from './network.ts';
import { objects } from './objects.ts';
import { router } from './router.ts';
import { screen } from './screen.ts';
import { server } from './server.ts';
import { snapshot } from './snapshot.ts';
import { stack } from './stack.ts';
import { telemetry } from './telemetry.ts';
import { token } from './token.ts';
import { volume } from './volume.ts';
import { volumeServer } from './volume-server.ts';

/** All kinds of trial, by the key that a role writes under `verify`. */
export const trials: ReadonlyMap<string, Trial<never>> = new Map(
  [
    token,
    image,
    network,
    router,
    server,
    console,
    closedPort,
    login,
    neighbours,
    snapshot,
    volume,
    volumeServer,
    attachment,
    objects,
    stack,
    dashboard,
    screen,
    telemetry,
  ].map((trial) => [trial.type, trial]),
);
